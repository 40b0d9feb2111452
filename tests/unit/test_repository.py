"""Rules of the repository that no linter checks."""

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {"plugins/tiergate": "tests/unit", "classifier/tiergate_classifier": "tests/classifier"}

WITHOUT_MIRROR = {
    "__init__.py": "a docstring and the version",
    "classifier/tiergate_classifier/encoder_graph.py": "run by tests/classifier/test_encoder.py",
    "plugins/tiergate/adapters/qdrant_edge_folder.py": "tested through tests/unit/adapters/test_qdrant_edge_store.py",
    "plugins/tiergate/adapters/qdrant_edge_link.py": "tested through tests/unit/adapters/test_qdrant_edge_store.py",
    "plugins/tiergate/adapters/qdrant_edge_process.py": "runs in a process of its own, started by the store's tests",
}
MADE_UP_KEYS = {"sk-abcdefghijklmnop", "sk-some-key-of-mine"}
"""Keys that tests write into a config on purpose, to see them found or kept; they open nothing."""

LONG_FUNCTIONS = {
    "plugins/tiergate/cli/label.py:label": "mostly the options of the command",
    "classifier/tiergate_classifier/export.py:render_card": "mostly the text of the card",
    "classifier/tiergate_classifier/pair_train.py:_card": "mostly the text of the card",
    "plugins/tiergate/artifact.py:write_artifact": "one line above, its docstring",
    "plugins/tiergate/policy/error_bound.py:decide_cut": "half of it is the docstring that states the guarantee",
    "plugins/tiergate/runtime.py:__init__": "the composition root, one line for each part",
    "classifier/tiergate_classifier/export.py:build_classifier": "the steps of one build, in order",
}
LONG_MODULES = {
    "plugins/tiergate/hooks/in_flight.py": 250,  # most of it describes the fields of one class
}
WITHOUT_SOURCE = {
    "tests/unit/test_repository.py": "the repository itself",
    "tests/unit/stages/test_isolation.py": "the isolation of tenants over all stages at once",
}

IMPORT_PROBE = """
import importlib, json, sys
events, now = [], [""]
def hook(event, args):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"}:
        events.append([now[0], event])
    elif event in {"os.putenv", "os.unsetenv"}:
        events.append([now[0], event + " " + str(args[0])])
    elif event == "open" and isinstance(args[0], str) and "plugins/tiergate" in args[0]:
        if not args[0].endswith((".py", ".pyc")) and "__pycache__" not in args[0]:
            events.append([now[0], event + " " + args[0]])
warm, names = sys.argv[1], sys.argv[2:]
if warm:
    importlib.import_module(warm)
sys.addaudithook(hook)
for name in names:
    now[0] = name
    importlib.import_module(name)
print(json.dumps(events))
"""


@cache
def tracked() -> tuple[Path, ...]:
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return tuple(path for name in listing.stdout.splitlines() if (path := ROOT / name).is_file())


def sources() -> list[Path]:
    return [path for root in SOURCES for path in sorted((ROOT / root).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def mirror_of(path: Path) -> str:
    root = next(root for root in SOURCES if name_of(path).startswith(root))
    inside = path.relative_to(ROOT / root)
    return f"{SOURCES[root]}/{inside.with_name(f'test_{inside.name}').as_posix()}"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_excused(path: Path) -> bool:
    return path.name == "__init__.py" or name_of(path) in WITHOUT_MIRROR


def test_every_source_has_its_test() -> None:
    missing = [name_of(path) for path in sources() if not is_excused(path) and not (ROOT / mirror_of(path)).is_file()]
    assert missing == []


def test_every_test_has_its_source() -> None:
    mirrors = {mirror_of(path) for path in sources()}
    tests = [path for root in SOURCES.values() for path in sorted((ROOT / root).rglob("test_*.py"))]
    assert [name_of(path) for path in tests if name_of(path) not in mirrors | set(WITHOUT_SOURCE)] == []


def test_no_excuse_outlives_its_file() -> None:
    assert [name for name in WITHOUT_MIRROR if name != "__init__.py" and not (ROOT / name).is_file()] == []
    assert [
        name for name in WITHOUT_MIRROR if name != "__init__.py" and (ROOT / mirror_of(ROOT / name)).is_file()
    ] == []


RUNTIME = [path for path in sources() if name_of(path).startswith("plugins/tiergate")]


def uses_litellm(path: Path) -> bool:
    """Tell whether LiteLLM, whose import does many things, comes with a module."""
    inside = path.relative_to(ROOT / "plugins/tiergate")
    return inside.parts[0] in {"hooks", "http", "runtime.py", "callbacks.py"} or inside.name.startswith("litellm_")


@pytest.mark.parametrize("with_litellm", [False, True])
def test_importing_a_module_opens_nothing_and_sets_nothing(with_litellm: bool) -> None:  # noqa: FBT001
    names = [module_of(path) for path in RUNTIME if uses_litellm(path) is with_litellm]
    assert names
    probe = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE, "litellm.proxy._types" if with_litellm else "qdrant_client", *names],
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    events = json.loads(probe.stdout.splitlines()[-1])
    if with_litellm:  # what LiteLLM's own lazy imports do to the environment is not ours
        events = [event for event in events if not event[1].startswith("os.")]
    assert events == []


def test_no_module_changes_the_environment_or_uses_global() -> None:
    offences = []
    for path in RUNTIME:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Global):
                offences.append(f"{name_of(path)}:{node.lineno}: global")
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else ()
            if any(
                isinstance(target, ast.Subscript) and ast.unparse(target.value) == "os.environ" for target in targets
            ):
                offences.append(f"{name_of(path)}:{node.lineno}: os.environ")
    assert offences == []


def test_nothing_in_the_config_pack_shadows_the_package() -> None:
    """LiteLLM looks for `<config folder>/pkg/module.py` before the installed package."""
    inside = [path for path in (ROOT / "litellm_config").rglob("*") if "__pycache__" not in path.parts]
    assert [name_of(path) for path in inside if path.suffix == ".py" or path.stem.startswith("tiergate")] == []


def test_no_file_names_a_machine_a_key_or_an_index() -> None:
    patterns = {
        "a path of a machine": re.compile(r"(?<![\w./-])/(?:home|Users|root|work)/[\w.-]+"),
        "a key": re.compile(r"\bsk-(?!1234\b)[A-Za-z0-9_-]{16,}"),
    }
    offences = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".onnx", ".safetensors", ".png"} or path.name == "tokenizer.json":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        offences += [
            f"{name_of(path)}: {what}: {hit[0]}"
            for what, rule in patterns.items()
            for hit in rule.finditer(text)
            if hit[0] not in MADE_UP_KEYS
        ]
    assert offences == []


def test_lock_files_name_no_index() -> None:
    rule = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|file://")
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert locks
    assert [path.name for path in locks if rule.search(path.read_text(encoding="utf-8"))] == []


def test_modules_and_functions_keep_their_size() -> None:
    offences = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        limit = LONG_MODULES.get(name_of(path), 200 if "/hooks/" in name_of(path) else 400)
        if (lines := len(text.splitlines())) > limit:
            offences.append(f"{name_of(path)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 50 and f"{name_of(path)}:{node.name}" not in LONG_FUNCTIONS:
                    offences.append(f"{name_of(path)}:{node.name}: {length} lines")
    assert offences == []
