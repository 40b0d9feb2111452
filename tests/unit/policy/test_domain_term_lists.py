import pytest

from tiergate.policy import domain_term_lists as lists

LISTS = sorted(name for name in vars(lists) if name.isupper())


@pytest.mark.parametrize("name", LISTS)
def test_a_list_holds_each_term_once_in_small_letters(name: str) -> None:
    terms = getattr(lists, name).split()

    assert len(terms) == len(set(terms)) > 0
    assert all(term == term.lower() and term.strip("_") == term for term in terms)


def test_no_term_belongs_to_finance_and_to_law() -> None:
    shared = set(lists.FINANCE.split()) & set(lists.LEGAL.split())

    assert not shared
