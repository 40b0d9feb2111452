"""Drawing needs an extra, and says so."""

import builtins
from pathlib import Path
from typing import Any

import pytest
import typer

from tiergate.cli.plots import draw


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return whole(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(typer.Exit):
        draw(tmp_path / "x.png", "title", [])
    assert "tiergate[plots]" in capsys.readouterr().err


def test_panels_are_drawn_in_rows(tmp_path: Path) -> None:
    seen: list[Any] = []
    draw(tmp_path / "deep" / "x.png", "title", [seen.append] * 3)
    assert len({axes.get_position().y0 for axes in seen}) == 2
    assert (tmp_path / "deep" / "x.png").is_file()
