"""`tiergate cache` on a real embedded store and the built-in encoder."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tiergate.cli.cache import app

TIERS = "tiers: [{name: small, model_group: s}, {name: large, model_group: l}]\n"


def request(prompt: str) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": prompt}]}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        store = f"{{kind: edge, path: {path / 'cache'}}}"
        self.write("policy.yaml", f"version: 1\n{TIERS}semantic_cache:\n  store: {store}\n")

    def write(self, name: str, text: str) -> str:
        (self.path / name).write_text(text, encoding="utf-8")
        return str(self.path / name)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--policy", str(self.path / "policy.yaml")])

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_entries_are_warmed_shown_exported_removed_and_imported(folder: Folder) -> None:
    rows = [
        {"request": request("What is our refund policy?"), "answer": "30 days.", "tenant": "k1", "tags": ["book@3"]},
        {"request": request("What does a tier cost?"), "answer": "Nothing.", "tenant": "k2"},
    ]
    assert folder.run("warm", folder.write("warm.jsonl", "\n".join(map(json.dumps, rows)))).exit_code == 0
    assert folder.json("stats")["entries"] == 2
    (shown,) = folder.json("inspect", "--tag", "book@3")
    assert (shown["prompt"], shown["tier"], shown["tags"]) == ("What is our refund policy?", "large", ["book@3"])
    out = str(folder.path / "out.jsonl")
    assert folder.run("export", out).exit_code == 0
    assert folder.json("invalidate", "--tag", "book@3", "--dry-run") == {"entries": 1, "dry_run": True}
    assert folder.json("stats")["entries"] == 2
    assert folder.json("invalidate", "--tag", "book@3") == {"entries": 1, "dry_run": False}
    assert folder.json("invalidate", "--older-than-s", "1000") == {"entries": 0, "dry_run": False}
    assert folder.run("import", out).exit_code == 0
    assert folder.json("stats")["entries"] == 2
    assert folder.json("invalidate", "--all") == {"entries": 2, "dry_run": False}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"request": 1}', "line 1"),
        ("{", "line 1"),
        (json.dumps({"request": request("Where is my order?"), "answer": "x", "tenant": "k"}), "about_caller"),
    ],
)
def test_a_line_that_cannot_be_warmed_is_named(folder: Folder, row: str, said: str) -> None:
    result = folder.run("warm", folder.write("warm.jsonl", row))
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("command", [("import",), ("warm",), ("simulate", "--log")])
@pytest.mark.parametrize("content", [b"\xff\xfe{\0}\0", b"[" * 100_000])
def test_a_file_in_another_encoding_is_named(
    folder: Folder, tmp_path: Path, command: tuple[str, ...], content: bytes
) -> None:
    file = tmp_path / "strange.jsonl"
    file.write_bytes(content)
    result = folder.run(*command, str(file))
    assert result.exit_code == 2
    assert "strange.jsonl: line 1" in result.stderr


@pytest.mark.parametrize("options", [(), ("--all", "--tag", "x"), ("--older-than-s", "inf")])
def test_an_invalidation_says_what_it_takes(folder: Folder, options: tuple[str, ...]) -> None:
    assert folder.run("invalidate", *options).exit_code == 2


def test_a_simulation_counts_repeats_and_what_they_cost(folder: Folder) -> None:
    spend = [
        {"startTime": f"2026-01-01T00:00:0{n}", "api_key": key, "messages": request(prompt)["messages"], "spend": 0.5,
         "response": {"choices": [{"message": {"content": "Lima"}}]}}
        for n, (key, prompt) in enumerate(
            [("a", "What is the capital of Peru?"), ("a", "What is the capital of Peru?"),
             ("b", "What is the capital of Peru?"), ("a", "What is the weather in Lima?")]
        )
    ]  # fmt: skip
    row = folder.json("simulate", "--log", folder.write("log.jsonl", "\n".join(map(json.dumps, spend))))
    assert (row["requests"], row["exact_hits"], row["saved_usd"], row["spent_usd"]) == (4, 1, 0.5, 2.0)
    assert row["reasons"] == {"no_neighbour": 2, "exact_match": 1, "about_now": 1}
    assert not (folder.path / "cache").exists()


def test_a_log_without_prompts_says_so(folder: Folder) -> None:
    result = folder.run("simulate", "--log", folder.write("log.jsonl", '{"decision_id": "x"}'))
    assert result.exit_code == 2
    assert "store_prompts" in result.stderr


def test_a_new_key_is_a_key(folder: Folder) -> None:
    key = CliRunner().invoke(app, ["new-key"]).stdout.strip()
    policy = (folder.path / "policy.yaml").read_text()
    folder.write("policy.yaml", f"{policy}  encryption_keys: {key}\n")
    assert folder.json("stats")["entries"] == 0
