"""The cache under other policies, through a real proxy."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tiergate.pair_artifact import builtin_pair_model_path, load_pair_manifest, load_pair_model, write_pair_model
from tiergate.policy.error_bound import ErrorCut

pytestmark = [pytest.mark.proxy, pytest.mark.gateway, pytest.mark.timeout(240)]
KEY = Fernet.generate_key().decode()


def bounded(policy: dict[str, Any]) -> None:
    del policy["semantic_cache"]["min_similarity"]
    policy["semantic_cache"]["max_error"] = 0.05


def bounded_and_sealed(pair_model: Path) -> Callable[[dict[str, Any]], None]:
    def change(policy: dict[str, Any]) -> None:
        bounded(policy)
        keys = {"pair_model": str(pair_model), "encryption_keys": "os.environ/TIERGATE_CACHE_KEYS"}
        policy["semantic_cache"] |= keys
        policy["controls"] = ["cache", "ttl_s", "max_age_s"]

    return change


@pytest.fixture
def calibrated(tmp_path: Path) -> Path:
    """The pair model that ships with a cut as a team's own labels would give it."""
    shipped, (_, manifest) = load_pair_model(builtin_pair_model_path()), load_pair_manifest(builtin_pair_model_path())
    cut = ErrorCut(
        max_error=0.05, confidence=0.95, min_score=1.17, labelled=600, hits=150, errors=2, error_bound=0.042, horizon=0
    )
    fields = {"created_at", "method", "encoder", "training_data", "metrics"}
    model = replace(shipped, cuts={0.05: cut})
    write_pair_model(tmp_path / "pairs", model=model, manifest=manifest.model_dump(include=fields), card="# Pairs\n")
    return tmp_path / "pairs"


def reason_of(gateway: Any, headers: dict[str, str]) -> str:
    return str(gateway.record(headers["decision-id"])["cache"]["reason"])


def test_a_bound_without_labels_of_the_deployment_serves_exact_repeats_and_says_why(start_gateway: Any) -> None:
    with start_gateway(policy=bounded) as gateway:
        gateway.ask("What is the capital of Italy?")
        _, headers = gateway.ask("What is the capital of Italy?")
        assert (headers["cache"], reason_of(gateway, headers)) == ("hit", "exact_match")
        _, headers = gateway.ask("Could you tell me what the capital of Italy is?")
        assert (headers["cache"], reason_of(gateway, headers)) == ("miss", "no_controlled_cut")


def test_a_bound_serves_paraphrases_and_no_other_numbers_and_nothing_lies_in_the_clear(
    start_gateway: Any, calibrated: Path
) -> None:
    with start_gateway(policy=bounded_and_sealed(calibrated), environ={"TIERGATE_CACHE_KEYS": KEY}) as gateway:
        first, headers = gateway.ask("What is the capital of Italy?")
        assert headers["cache"] == "miss"
        again, headers = gateway.ask("Could you tell me what the capital of Italy is?")
        assert headers["cache"] == "hit"
        assert again["choices"] == first["choices"]
        record = gateway.record(headers["decision-id"])["cache"]
        assert record["reason"] == "similar_enough"
        assert record["probability"] > 0.5
        assert 0 < record["error_bound"] <= 0.05
        _, headers = gateway.ask("What is the capital of Norway?")
        assert reason_of(gateway, headers) == "above_max_error"

        _, headers = gateway.ask("What is the capital of Italy?", metadata={"tiergate": {"cache": "off"}})
        assert reason_of(gateway, headers) == "control_off"
        _, headers = gateway.ask("What is the capital of Italy?", metadata={"tiergate": {"cache": "refresh"}})
        assert gateway.record(headers["decision-id"])["cache"]["store_reason"] == "stored"

        stored = b"".join(
            file.read_bytes() for file in (gateway.proxy.folder / "data" / "cache").rglob("*") if file.is_file()
        )
        assert b"sealed:" in stored
        assert b"Italy" not in stored


def shared_by_all(policy: dict[str, Any]) -> None:
    policy["semantic_cache"] |= {"scope": "global", "confirmations": 2}


def test_in_scope_global_an_answer_is_served_to_others_once_it_is_confirmed(start_gateway: Any) -> None:
    prompt = "What is the capital of Madagascar?"
    with start_gateway(policy=shared_by_all) as gateway:
        told = []
        for key in ("sk-ann-blue", "sk-ann-blue", "sk-bob-blue", "sk-cid-red", "sk-dan-green", "sk-nobody"):
            _, headers = gateway.ask(prompt, key=key)
            told.append(f"{headers['cache']} {reason_of(gateway, headers)}")
    assert told[:3] == ["miss no_neighbour", "hit exact_match", "hit exact_match"]
    assert told[3] == "miss unconfirmed", "a key of the same team confirms nothing"
    assert told[4] == "hit exact_match"
    assert told[5] == "skipped tenant_unknown"
