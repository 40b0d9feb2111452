"""policy.yaml: every defect names file, key and fix."""

from pathlib import Path

import pytest

from tiergate.errors import PolicyError
from tiergate.pack import locate_pack
from tiergate.settings import Policy, check_model_groups, load_policy, write_policy_schema

MINIMAL = """\
version: 1
tiers:
  - {name: simple, model_group: tier-simple}
  - {name: frontier, model_group: tier-frontier}
"""


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Policy:
    file = tmp_path / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return load_policy(file, environ or {})


def refused(tmp_path: Path, text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, text)
    assert caught.value.file.endswith("policy.yaml")
    assert caught.value.fix
    return caught.value


def test_two_tiers_are_enough(tmp_path: Path) -> None:
    policy = load(tmp_path, MINIMAL)
    assert policy.tier_names == ("simple", "frontier")
    assert (policy.baseline, policy.strongest_tier) == ("frontier", "frontier")
    assert policy.stronger_tier("simple") == "frontier"
    assert policy.stronger_tier("frontier") is None


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("colour: red\n", "colour"),
        ("semantic_cache: {min_similarty: 0.9}\n", "semantic_cache.min_similarty"),
        ("semantic_cache: {min_similarity: 1.5}\n", "semantic_cache.min_similarity"),
        ("semantic_cache: {min_similarity: 0.9, max_error: 0.01}\n", "semantic_cache"),
        ("semantic_cache: {scope: planet}\n", "semantic_cache.scope"),
        ("semantic_cache: {store: {kind: server}}\n", "semantic_cache.store.url"),
        ("semantic_cache: {store: {kind: floppy}}\n", "semantic_cache.store"),
        ("confidence_gate: {escalate_below: 0.9}\n", "confidence_gate"),
        ("confidence_gate: {escalate_below: low}\n", "confidence_gate.escalate_below"),
        ("baseline_tier: best\n", "baseline_tier"),
        ("domains: {finance: {start_tier: best}}\n", "domains.finance.start_tier"),
        ("encoder: {kind: onnx}\n", "encoder"),
        ("encoder: {kind: openai}\n", "encoder"),
        ("entry_models: []\n", "entry_models"),
        ("controls: [everything]\n", "controls[0]"),
    ],
)
def test_each_defect_names_its_key(tmp_path: Path, addition: str, key: str) -> None:
    assert refused(tmp_path, MINIMAL + addition).key == key


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", "not a mapping"),
        ("a: [\n", "not valid YAML"),
        ("version: 1\n", "required"),
        ("version: 2\ntiers: [{name: a, model_group: a}, {name: b, model_group: b}]\n", "1"),
        ("version: 1\ntiers: [{name: a, model_group: a}]\n", "at least 2"),
        ("version: 1\ntiers: [{name: a, model_group: a}, {name: a, model_group: b}]\n", "twice"),
        (MINIMAL + "decision_log: {url: os.environ/NOT_SET}\n", "NOT_SET"),
    ],
)
def test_each_defect_says_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in refused(tmp_path, text).problem


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="TIERGATE_POLICY"):
        load_policy(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_say_so(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="UTF-8"):
        load_policy(tmp_path / "policy.yaml")


def test_environment_references_are_resolved_at_every_depth(tmp_path: Path) -> None:
    text = MINIMAL + "entry_models: [os.environ/ENTRY]\ndecision_log: {url: os.environ/LOG}\n"
    policy = load(tmp_path, text, {"ENTRY": "smart", "LOG": "sqlite:///x.db"})
    assert policy.entry_models == ("smart",)
    assert policy.decision_log.url == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("groups", "key"),
    [
        ({"auto", "tier-simple"}, "tiers[1].model_group"),
        ({"tier-simple", "tier-frontier"}, "entry_models[0]"),
        ({"auto", "tier-simple", "tier-frontier"}, "confidence_gate.verifier.model_group"),
    ],
)
def test_names_of_model_groups_are_checked(tmp_path: Path, groups: set[str], key: str) -> None:
    verifier = "confidence_gate: {verifier: {kind: judge, model_group: tier-judge}}\n" if "verifier" in key else ""
    policy = load(tmp_path, MINIMAL + verifier)
    with pytest.raises(PolicyError) as caught:
        check_model_groups(
            policy, frozenset(groups), policy_path=tmp_path / "policy.yaml", config_path=tmp_path / "config.yaml"
        )
    assert caught.value.key == key


def test_the_quickstart_is_accepted() -> None:
    assert load_policy(locate_pack("quickstart") / "policy.yaml").tier_names == ("simple", "medium", "frontier")


def test_the_schema_names_every_section() -> None:
    schema = write_policy_schema()
    assert all(f'"{name}"' in schema for name in Policy.model_fields)
