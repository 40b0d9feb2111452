"""The tree in the docstring is the tree of the classes."""

import inspect
import re

import pytest

from tiergate import errors
from tiergate.errors import ConfigurationError, ControlRefusedError, ControlValueError, PolicyError, TiergateError


def drawn() -> dict[str, str]:
    """Return each class in the drawing with its parent's name."""
    parents, path = {}, ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4 + 1
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1]
    return parents


def test_the_drawing_matches_the_classes() -> None:
    classes = {
        name: cls.__base__.__name__
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, Exception)
    }
    assert drawn() == classes


def test_every_error_says_what_it_is() -> None:
    assert all(
        cls.__doc__ and issubclass(cls, TiergateError) for name, cls in vars(errors).items() if name.endswith("Error")
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [("a.b", "policy.yaml: a.b: is wrong. Fix: correct it."), ("", "policy.yaml: is wrong. Fix: correct it.")],
)
def test_a_configuration_error_names_file_key_and_fix(key: str, message: str) -> None:
    error = PolicyError("policy.yaml", key, "is wrong", "correct it")
    assert str(error) == message
    assert isinstance(error, ConfigurationError)
    assert (error.file, error.key, error.problem, error.fix) == ("policy.yaml", key, "is wrong", "correct it")


def test_a_refusal_names_the_control() -> None:
    assert "metadata.tiergate.cache is not allowed" in str(ControlRefusedError("cache"))
    assert str(ControlValueError("ttl_s", "a number")) == "the request control metadata.tiergate.ttl_s must be a number"
    assert str(ControlValueError("", "a mapping")) == "the request control metadata.tiergate must be a mapping"
