"""Which classifier policy names."""

import pytest
from pydantic import ValidationError

from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.settings import IntentRouter


def test_the_kind_decides_which_settings_are_read() -> None:
    router = IntentRouter.model_validate({"classifier": {"kind": "vllm", "base_url": "http://h", "model": "m"}})
    assert isinstance(router.classifier, VllmClassifierSettings)
    assert (router.classifier.mode, router.classifier.artifact, router.shadow) == ("classify", "builtin", None)
    assert IntentRouter().classifier.kind == "embedded"


def test_a_mode_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValidationError, match="generate"):
        VllmClassifierSettings.model_validate({"kind": "vllm", "base_url": "u", "model": "m", "mode": "guess"})
