import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.domain_terms import DOMAIN_TERMS, MAX_CHARACTERS, count_terms


@pytest.mark.parametrize(
    ("prompt", "finance", "legal", "entitlement"),
    [
        ("Which mortgage fits a teacher's salary?", 2, 0, 0),
        ("wash sale or not", 1, 0, 0),
        ("the wash is on sale", 0, 0, 0),
        ("a wash", 0, 0, 0),
        ("Wie setze ich die Steuererklärung ab?", 1, 0, 0),
        ("Mein Vermieter droht mit Räumungsklage", 0, 2, 0),
        ("税金と年金について", 2, 0, 0),
        ("离婚以后抚养权归谁", 0, 2, 0),
        ("savigns acount", 1, 0, 0),
        ("wrongfull dismisal", 0, 2, 0),
        ("compund intrest", 1, 0, 0),
        ("summarise Marbury v. Madison, § 3", 0, 2, 0),
        ("Can they make me stay late?", 0, 0, 2),
        ("can they sing", 0, 0, 1),
        ("an interest in stock cubes and a bond between friends", 0, 0, 0),
        ("Ohm's law and a strained muscle", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_terms_are_counted(prompt: str, finance: int, legal: int, entitlement: int) -> None:
    assert tuple(count_terms(prompt).values()) == (finance, legal, entitlement)


@given(st.text())
def test_every_text_has_every_count(text: str) -> None:
    counts = count_terms(text)

    assert tuple(counts) == DOMAIN_TERMS
    assert all(count >= 0 for count in counts.values())


def test_only_the_start_is_read() -> None:
    assert count_terms("x " * MAX_CHARACTERS + "mortgage") == count_terms("")


def test_letters_in_another_order_count_only_near_the_length_of_the_term() -> None:
    assert count_terms("savingsssss")["finance_terms"] == 0
