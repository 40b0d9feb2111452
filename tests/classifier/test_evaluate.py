import numpy as np
import pytest

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate_classifier.data import Table, build_table, builtin_workload_path, load_workload, workload_digest
from tiergate_classifier.evaluate import (
    ScoredTable,
    cheapest_tier,
    domain_flagged,
    measure,
    proportion,
    score_table,
    wilson_interval,
)

ARTIFACT = load_artifact(builtin_artifact_path())


@pytest.fixture(scope="module")
def test_rows() -> Table:
    splits = pytest.importorskip("tiergate_classifier.splits", reason="needs the extra [train]")
    rows = load_workload(builtin_workload_path())
    return build_table([rows[i] for i in splits.split_rows(rows).test], OnnxEmbedder(pool=InferencePool()))


@pytest.fixture(scope="module")
def scored(test_rows: Table) -> ScoredTable:
    return score_table(ARTIFACT, test_rows)


def test_the_artifact_that_ships_was_trained_from_the_workload_that_ships() -> None:
    data = ARTIFACT.manifest.training_data[0]

    assert data.digest == workload_digest(builtin_workload_path())
    assert data.rows == len(load_workload(builtin_workload_path()))


def test_the_artifact_that_ships_reaches_its_own_figures_on_the_test_rows(
    test_rows: Table, scored: ScoredTable
) -> None:
    export = pytest.importorskip("tiergate_classifier.export", reason="needs the extra [train]")
    assert ARTIFACT.reference is not None
    tail = export._tail_metrics(test_rows, scored, ARTIFACT.reference)
    measured = {metric.name: metric for metric in (*measure(ARTIFACT, test_rows, scored), *tail)}
    stated = {metric.name: metric for metric in ARTIFACT.manifest.metrics}

    assert measured.keys() == stated.keys()
    for name, metric in measured.items():
        # another processor may round an int8 vector another way: allow one or two rows
        assert metric.value == pytest.approx(stated[name].value, abs=2 / max(metric.n, 40) + 0.02), name


def test_tiers_and_safety_domains_reach_what_day_one_needs(test_rows: Table, scored: ScoredTable) -> None:
    found = {metric.name: metric.value for metric in measure(ARTIFACT, test_rows, scored)}

    assert found["tier_accuracy"] >= 0.78
    assert found["clears/simple"] >= 0.45
    assert found["good_when_routed/simple"] >= 0.95
    assert found["good_when_routed/medium"] >= 0.95
    assert found["domain_accuracy"] >= 0.65
    for safety in ("finance", "legal"):
        assert found[f"domain_recall/{safety}"] >= 0.70
        assert found[f"domain_flag_recall/{safety}"] >= 0.88
        assert found[f"domain_flag_false_alarms/{safety}"] <= 0.35


def test_the_cheapest_tier_is_the_first_that_reaches_or_else_the_last() -> None:
    values = np.array([[0.96, 0.97, 1.0], [0.5, 0.95, 1.0], [0.1, 0.2, 0.3]])

    assert cheapest_tier(values, 0.95).tolist() == [0, 1, 2]


def test_a_row_counts_as_a_domain_as_the_most_probable_or_from_its_cut() -> None:
    cut = ARTIFACT.calibration.domains.min_scores["finance"]
    finance, code = ARTIFACT.domains.index("finance"), ARTIFACT.domains.index("code")
    domains = np.zeros((3, len(ARTIFACT.domains)))
    domains[0, finance] = 0.9
    domains[1, [finance, code]] = cut, 1 - cut
    domains[2, [finance, code]] = cut / 2, 1 - cut / 2

    assert domain_flagged(ARTIFACT, domains, "finance").tolist() == [True, True, False]
    assert domain_flagged(ARTIFACT, domains, "code").tolist() == [False, True, True]


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    low, high = wilson_interval(81, 263)  # Newcombe 1998, table I, method 3

    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 20)[0] == pytest.approx(0)
    assert wilson_interval(20, 20)[1] == pytest.approx(1)


def test_a_proportion_without_rows_says_so() -> None:
    metric = proportion("nothing", [])

    assert (metric.value, metric.n, metric.low, metric.high) == (0, 0, 0, 1)
