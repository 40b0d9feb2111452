"""probes.yaml is read as data, and each defect names file, key and fix."""

from pathlib import Path

import pytest

from tiergate.cli.probe_file import load_probes
from tiergate.errors import ConfigurationError

GOOD = """
acceptance: 0.5
shares: {cache: {hit: {at_least: 0.3, at_most: 0.4}}, tier: {simple: {at_least: 0.7}}}
probes:
  - name: capital
    prompt: What is the capital of France?
    expect: {tier: simple, cache: [miss, hit]}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "probes.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_good_file_is_read_from_its_folder_or_by_its_name(tmp_path: Path) -> None:
    probes = load_probes(write(tmp_path, GOOD))
    assert probes == load_probes(tmp_path / "probes.yaml")
    assert probes.probes[0].expect.tier == ("simple",)
    assert probes.probes[0].expect.cache == ("miss", "hit")
    assert [(name, value) for name, value, _ in probes.shares.listed()] == [("tier", "simple"), ("cache", "hit")]


def test_a_fault_makes_a_probe_one_for_stand_ins(tmp_path: Path) -> None:
    text = "probes:\n - {name: a, prompt: b, fault: {model: 'deepseek*', fault: status_503}, expect: {fallback: true}}"
    assert load_probes(write(tmp_path, text)).probes[0].stand_in_only


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("probes: []", "probes", "at least 1"),
        ("probs: []", "probes", "is required"),
        ("probes: [{name: a, prompt: b}]", "probes[a].expect", "is required"),
        ("probes: [{prompt: b, expect: {}}]", "probes[0].name", "is required"),
        ("probes: [{name: a, expect: {}}]", "probes[a]", "exactly one of `prompt` and `messages`"),
        ("probes: [{name: a, prompt: b, messages: [{role: user}], expect: {}}]", "probes[a]", "exactly one"),
        ("probes: [{name: a, prompt: b, expect: {teir: simple}}]", "probes[a].expect.teir", "is not a known key"),
        ("probes: [{name: a, prompt: b, expect: {cache: warm}}]", "probes[a].expect.cache[0]", "'hit'"),
        ("probes: [{name: a, prompt: b, endpoint: chat, expect: {}}]", "probes[a].endpoint", "chat_completions"),
        ("acceptance: 2\nprobes: [{name: a, prompt: b, expect: {}}]", "acceptance", "less than or equal to 1"),
        (
            "shares: {tier: {simple: {at_least: 0.9, at_most: 0.1}}}\nprobes: [{name: a, prompt: b, expect: {}}]",
            "shares.tier.simple",
            "at_least is above at_most",
        ),
        ("probes: [{name: a, prompt: b, expect: {}}, {name: a, prompt: c, expect: {}}]", "probes", "names two probes"),
        ("- a", "", "is not a mapping of keys"),
        ("probes: [", "", "is not valid YAML"),
    ],
)
def test_a_broken_file_names_key_and_fix(text: str, key: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_probes(write(tmp_path, text))
    assert raised.value.file.endswith("probes.yaml")
    assert raised.value.key == key
    assert problem in raised.value.problem
    assert raised.value.fix


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_probes(tmp_path)
