from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate_classifier.export import MIN_SLICE_ROWS, SAFETY_DOMAINS, _created_at, main


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "intent"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1767225600")
        main(["--out", str(out)])
    return out


def test_building_again_gives_the_same_bytes(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {file.name: file.read_bytes() for file in built.iterdir()}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")

    main(["--out", str(built)])

    assert {file.name: file.read_bytes() for file in built.iterdir()} == first


def test_source_date_epoch_is_the_time_that_the_manifest_states(built: Path) -> None:
    assert load_artifact(built).manifest.created_at == "2026-01-01T00:00:00Z"


def test_without_source_date_epoch_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    assert abs((datetime.now(tz=UTC) - _created_at()).total_seconds()) < 60


def test_what_ships_is_what_the_workload_gives(built: Path) -> None:
    fresh, shipped = load_artifact(built), load_artifact(builtin_artifact_path())

    # another processor or BLAS gives other last digits, so weights are compared and not bytes
    for name, tensor in shipped.head.tensors().items():
        if not name.startswith("flag_"):  # those differ in which rows a head leans on by a hair
            np.testing.assert_allclose(fresh.head.tensors()[name], tensor, atol=0.1, err_msg=name)
    for name, cut in shipped.calibration.domains.min_scores.items():
        assert abs(fresh.calibration.domains.min_scores[name] - cut) < 0.01, name
    assert fresh.manifest.training_data == shipped.manifest.training_data
    assert fresh.manifest.features == shipped.manifest.features


def test_the_card_says_how_it_was_made_and_what_it_cannot(built: Path) -> None:
    artifact = load_artifact(built)

    for text in ("make classifier", "Limits", artifact.manifest.training_data[0].digest, "Apache-2.0"):
        assert text in artifact.card
    for domain in SAFETY_DOMAINS:
        assert f"{domain} {artifact.calibration.domains.min_scores[domain]:.4f}" in artifact.card


def test_the_tail_is_measured_on_the_test_rows(built: Path) -> None:
    figures = {metric.name: metric for metric in load_artifact(built).manifest.metrics}

    worst = figures["worst_slice_calibration_error"]
    assert worst.value <= 0.06
    slices = [metric for name, metric in figures.items() if name.startswith("calibration_error/")]
    assert worst.value == max(metric.value for metric in slices)
    assert {"calibration_error/domain/rare", "calibration_error/distance/high"} <= set(figures)
    assert all(metric.n >= MIN_SLICE_ROWS for metric in slices)


def test_a_tail_above_the_limit_is_refused_and_what_is_there_stays(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (built / "manifest.json").read_bytes()

    with pytest.raises(SystemExit) as ended:
        main(["--out", str(built), "--max-slice-error", "-1"])

    assert ended.value.code == 1
    assert "Fix: " in capsys.readouterr().err
    assert (built / "manifest.json").read_bytes() == before
