"""Conduct: probabilities of faults, precedence of orders, repeatable draws."""

from collections import Counter

from tiergate.demo.answers import Asked
from tiergate.demo.control import Control, FaultOrder, LatencyOrder
from tiergate.demo.scenario import Constant, Fault, FaultRule, Latency, ModelProfile, Rule, Scenario, Uniform

SCENARIO = Scenario(
    seed=5,
    models=(ModelProfile(match="slow", latency=Latency(first_byte=Constant(ms=9))),),
    rules=(
        Rule(name="flaky", words=("flaky",), faults=(FaultRule(fault=Fault.STATUS_503, probability=0.3),)),
        Rule(
            name="drawn",
            words=("drawn",),
            latency=Latency(first_byte=Uniform(kind="uniform", low_ms=0, high_ms=9)),
        ),
    ),
)


def conduct(control: Control, question: str = "x", model: str = "m") -> tuple[str | None, float]:
    decided = control.decide_conduct(Asked(model=model, question=question))
    return decided.fault.fault if decided.fault else None, decided.first_byte_s


def test_a_fault_happens_with_its_probability_and_the_draws_repeat_after_reset() -> None:
    control = Control(SCENARIO)
    first = [conduct(control, "flaky")[0] for _ in range(1000)]
    assert 250 < Counter(first)["status_503"] < 350
    control.reset()
    assert [conduct(control, "flaky")[0] for _ in range(1000)] == first


def test_draws_do_not_depend_on_the_order_of_other_questions() -> None:
    one, other = Control(SCENARIO), Control(SCENARIO)
    for place in range(20):
        conduct(other, f"in between {place}")
        assert conduct(one, "drawn") == conduct(other, "drawn")


def test_an_armed_fault_goes_before_the_scenario_and_in_the_order_of_arming() -> None:
    control = Control(SCENARIO)
    control.arm(FaultOrder(fault=Fault.TIMEOUT, model="a*", times=2))
    control.arm(FaultOrder(fault=Fault.STATUS_500, times=None))
    faults = [conduct(control, model=model)[0] for model in ("a1", "b", "a2", "a3")]
    assert faults == ["timeout", "status_500", "timeout", "status_500"]


def test_latency_comes_from_order_then_rule_then_profile() -> None:
    control = Control(SCENARIO)
    assert conduct(control, model="slow")[1] == 0.009
    assert conduct(control)[1] == 0
    control.slow_down(LatencyOrder(model="slow", first_byte=Constant(ms=1)))
    control.slow_down(LatencyOrder(model="slow", first_byte=Constant(ms=2)))
    assert conduct(control, model="slow")[1] == 0.002
