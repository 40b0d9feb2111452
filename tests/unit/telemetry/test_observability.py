from pathlib import Path

from tiergate.telemetry.observability import main

SHIPPED = Path(__file__).parents[3] / "litellm_config" / "observability"


def test_what_ships_is_what_the_declared_names_make(tmp_path: Path) -> None:
    main([str(tmp_path)])
    for name in ("dashboards/overview.json", "alerts/rules.yaml"):
        assert (SHIPPED / name).read_text() == (tmp_path / name).read_text(), f"run the module again: {name}"
