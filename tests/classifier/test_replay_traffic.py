"""Traffic of a week without tiergate: exports in several shapes, and what they would cost."""

import json
from pathlib import Path

import pytest
from tests.classifier.test_replay_log import policy_of

from tiergate.errors import ConfigurationError
from tiergate.policy.money import Price
from tiergate.ports import Classification
from tiergate_classifier.replay_traffic import cost_traffic, load_traffic

USD = {"simple": 1.0, "medium": 5.0, "frontier": 15.0}
PRICES = {tier: Price(input_usd=usd, output_usd=usd) for tier, usd in USD.items()}
ROW = {"messages": [{"role": "user", "content": "Hi"}], "prompt_tokens": 10, "completion_tokens": 2, "spend": 180.0}


def classify(prompt: str) -> Classification:
    easy = 0.9 if prompt == "Hi" else 0.1
    return Classification(
        scores={}, lower_bounds={"simple": easy, "medium": easy, "frontier": 1.0}, domains={"general": 1.0}
    )


def test_a_spend_log_is_priced_by_tier(tmp_path: Path) -> None:
    hard = ROW | {"messages": json.dumps([{"role": "user", "content": "Prove it"}])}
    file = tmp_path / "spend.json"
    file.write_text(json.dumps([ROW, hard, {"messages": {}}]))
    requests, skipped = load_traffic(file)
    found = cost_traffic(requests, skipped, policy_of(), prices=PRICES, classify=classify, answer_tokens=5)
    assert (found.requests, found.skipped) == (2, 1)
    assert (found.spent_usd, found.baseline_usd, found.routed_usd) == (360.0, 360.0, 12.0 + 180.0)
    assert found.tier_shares == {"simple": 0.5, "medium": 0.0, "frontier": 0.5}
    assert found.escalated_usd == pytest.approx(192.0 + 0.05 * (60.0 + 180.0))
    assert found.intervals["routed_usd"][0] <= found.routed_usd <= found.intervals["routed_usd"][1]


def test_requests_alone_have_estimated_tokens(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    lines = [{"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 400}]}]}, {"prompt": "Hi"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    requests, skipped = load_traffic(file)
    assert (requests[0].prompt_tokens, requests[0].completion_tokens, skipped) == (100, None, 0)
    found = cost_traffic(requests, skipped, policy_of(), prices=PRICES, classify=classify, answer_tokens=50)
    assert found.answer_tokens_assumed == 1.0
    assert found.spent_usd is None


def test_a_csv_export_with_json_in_its_cells(tmp_path: Path) -> None:
    file = tmp_path / "spend.csv"
    cell = json.dumps(ROW["messages"]).replace('"', '""')
    file.write_text(f'messages,prompt_tokens,completion_tokens,spend\n"{cell}",10,2,0.5\n')
    requests, _ = load_traffic(file)
    assert (requests[0].prompt, requests[0].spend_usd) == ("Hi", 0.5)


def test_a_cost_that_is_no_number_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "spend.json"
    file.write_text(json.dumps([ROW | {"spend": value} for value in ([1], {}, "much", "", None)]))
    assert [item.spend_usd for item in load_traffic(file)[0]] == [None] * 5


def test_cells_may_be_long_and_hold_line_breaks(tmp_path: Path) -> None:
    file = tmp_path / "spend.csv"
    prompt = "long " * 40_000 + "\n\u2028end"
    file.write_text(f'prompt,spend\n"{prompt}",0.5\n', encoding="utf-8")
    assert [item.prompt for item in load_traffic(file)[0]] == [prompt]


def test_rows_below_data_are_read(tmp_path: Path) -> None:
    file = tmp_path / "page.json"
    file.write_text(json.dumps({"data": [ROW, ROW], "total": 2, "page": 1}, indent=1))
    assert len(load_traffic(file)[0]) == 2


@pytest.mark.parametrize("text", [b"", b"{", b'{"messages": "{}"}', b"\xff\xfe{", b"[" * 100_000, b"[1, 2]"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_that_tells_nothing_is_refused(tmp_path: Path, text: bytes, suffix: str) -> None:
    file = tmp_path / f"spend.{suffix}"
    file.write_bytes(text)
    with pytest.raises(ConfigurationError, match="spend"):
        load_traffic(file)


def test_plans_start_where_they_are_cheapest(tmp_path: Path) -> None:
    file = tmp_path / "spend.json"
    file.write_text(json.dumps([ROW]))
    requests, skipped = load_traffic(file)
    bounds = {"simple": 0.75, "medium": 0.95, "frontier": 1.0}
    seen = Classification(scores=bounds, lower_bounds=bounds, domains={})
    policy = policy_of(min_quality=0.85)
    found = {
        strategy: cost_traffic(
            requests,
            skipped,
            policy.model_copy(update={"strategy": strategy}),
            prices=PRICES,
            classify=lambda _prompt: seen,
            answer_tokens=5,
        )
        for strategy in ("route", "cascade", "auto")
    }
    assert (found["route"].routed_usd, found["cascade"].routed_usd, found["auto"].routed_usd) == (60.0, 60.0, 12.0)
    assert found["route"].escalated_usd == 60.0, "one tier is asked"
    assert found["auto"].escalated_usd == pytest.approx(12.0 + 0.05 * 60.0)
