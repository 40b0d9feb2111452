"""Probes are sent in their endpoint's wire format and compared with what comes back."""

import json
from typing import Any

import httpx
import pytest

from tiergate.cli.probe_file import FaultOrder, Probe, ProbeFile
from tiergate.cli.probe_run import ProbeRunError, build_body, run_probes

DECIDED = {"x-tiergate-decision-id": "d", "x-tiergate-tier": "simple", "x-tiergate-cache": "miss"}


def client(*answers: httpx.Response, seen: list[httpx.Request] | None = None) -> httpx.Client:
    """Return a client whose proxy gives the answers in turn, the last one again and again."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return left.pop(0) if len(left) > 1 else left[0]

    return httpx.Client(base_url="http://proxy", transport=httpx.MockTransport(answer))


def probe(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "prompt": "hello", "expect": {}, **fields}


def file(*probes: dict[str, Any], **fields: Any) -> ProbeFile:
    return ProbeFile.model_validate({"probes": probes, **fields})


def test_an_expected_answer_passes() -> None:
    expect = {"tier": "simple", "cache": ["miss", "hit"], "handled": True, "fallback": False}
    report = run_probes(file(probe(expect=expect)), client(httpx.Response(200, headers=DECIDED)))
    assert report.passed
    assert report.outcomes[0].to_row() == {
        "name": "a",
        "status": 200,
        "tier": "simple",
        "cache": "miss",
        "gate": None,
        "decision": "d",
        "fallback": False,
        "ok": True,
        "differences": [],
    }


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ({"tier": "medium"}, "tier is simple, not medium"),
        ({"cache": "hit"}, "cache is miss, not hit"),
        ({"gate": ["trusted", "verified"]}, "gate is absent, not trusted or verified"),
        ({"handled": False}, "tiergate decided"),
        ({"fallback": True}, "no fallback answered"),
        ({"status": 403}, "status is 200, not 403"),
    ],
)
def test_each_difference_is_said(expect: dict[str, Any], difference: str) -> None:
    report = run_probes(file(probe(expect=expect)), client(httpx.Response(200, headers=DECIDED)))
    assert not report.passed
    assert report.outcomes[0].differences[0].startswith(difference)


def test_acceptance_is_the_share_that_must_be_as_expected() -> None:
    probes = [probe("a", expect={"tier": "simple"}), probe("b", expect={"tier": "medium"})]
    answer = httpx.Response(200, headers=DECIDED)
    assert not run_probes(file(*probes, acceptance=0.6), client(answer)).passed
    assert run_probes(file(*probes, acceptance=0.5), client(answer)).passed


def test_shares_of_the_run_are_judged() -> None:
    hit = httpx.Response(200, headers={**DECIDED, "x-tiergate-cache": "hit"})
    probes = [probe("a"), probe("b")]
    shares = {"cache": {"hit": {"at_least": 0.5, "at_most": 0.5}}}
    assert run_probes(file(*probes, shares=shares), client(hit, httpx.Response(200, headers=DECIDED))).passed
    report = run_probes(file(*probes, shares=shares), client(hit))
    assert report.share_differences == ("cache hit: 100% of the run, not 50% to 50%",)
    assert not report.passed


def test_probes_for_stand_ins_are_skipped_without_them() -> None:
    fault = {"model": "deepseek*", "fault": "status_503"}
    probes = file(probe("a"), probe("b", fault=fault), probe("c", stand_in=True))
    orders: list[FaultOrder] = []
    alone = run_probes(probes, client(httpx.Response(200)))
    assert alone.skipped == ("b", "c")
    together = run_probes(probes, client(httpx.Response(200)), order_fault=orders.append)
    assert together.skipped == ()
    assert [order.model for order in orders] == ["deepseek*"]


def test_a_run_without_a_probe_proves_nothing() -> None:
    report = run_probes(file(probe(stand_in=True)), client(httpx.Response(200)))
    assert not report.passed


def test_each_endpoint_gets_its_wire_format() -> None:
    for endpoint, key, system in (
        ("chat_completions", "messages", None),
        ("messages", "messages", "system"),
        ("responses", "input", "instructions"),
    ):
        body = build_body(Probe.model_validate(probe(endpoint=endpoint, system="Be brief.", stream=True)), "Run 1.")
        assert body["stream"] is True
        assert body[key][-1] == {"role": "user", "content": "hello"}
        assert (body[system] if system else body[key][0]["content"]) == "Run 1.\nBe brief."


def test_a_fresh_run_has_a_mark_of_its_own() -> None:
    seen: list[httpx.Request] = []
    for _ in range(2):
        run_probes(file(probe()), client(httpx.Response(200), seen=seen), fresh=True)
    texts = [json.loads(request.content)["messages"][0]["content"] for request in seen]
    assert texts[0] != texts[1]


def test_a_header_may_come_from_the_environment() -> None:
    seen: list[httpx.Request] = []
    probes = file(probe(headers={"x-team": "os.environ/TEAM"}))
    run_probes(probes, client(httpx.Response(200), seen=seen), environ={"TEAM": "red"})
    assert seen[0].headers["x-team"] == "red"
    with pytest.raises(ProbeRunError, match="TEAM"):
        run_probes(probes, client(httpx.Response(200)), environ={})


def test_a_proxy_that_is_not_there_is_said() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    away = httpx.Client(base_url="http://proxy", transport=httpx.MockTransport(refuse))
    with pytest.raises(ProbeRunError, match="Fix: start the proxy"):
        run_probes(file(probe()), away)
