from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate_classifier.data import Table
from tiergate_classifier.train import fit_heads

TableMaker = Callable[..., Table]


def test_heads_find_tier_and_domain_where_they_lie(a_table: TableMaker) -> None:
    table = a_table()
    tiers, domains = fit_heads(table, tiers=3, domains=2).log_odds(table.vectors, table.features)

    for place in range(2):
        assert ((tiers[:, place] > 0) == (table.tier <= place)).mean() > 0.95
    assert (domains.argmax(axis=1) == table.domain).mean() > 0.95


def test_the_strongest_tier_has_a_head_of_zeros(a_table: TableMaker) -> None:
    head = fit_heads(a_table(), tiers=3, domains=2)

    assert not head.tier_weight[2].any()
    assert head.tier_bias[2] == 0


def test_two_domains_have_two_outputs(a_table: TableMaker) -> None:
    head = fit_heads(a_table(), tiers=3, domains=2)

    assert head.domain_weight.shape == (2, 6)
    assert head.domain_bias.shape == (2,)


def test_a_feature_that_never_changes_weighs_nothing(a_table: TableMaker) -> None:
    head = fit_heads(a_table(constant_feature=True), tiers=3, domains=2)

    assert head.feature_scale[1] == 1
    np.testing.assert_allclose(head.tier_weight[:, 5], 0, atol=1e-6)


def test_a_domain_without_rows_is_refused(a_table: TableMaker) -> None:
    with pytest.raises(ValueError, match="hold 2 domains"):
        fit_heads(a_table(), tiers=3, domains=3)
