"""A stand-in provider whose answers are those that a simulation has drawn: text, certainty, latency, billed tokens."""

import math
from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp
from typing_extensions import override

from tiergate.demo.answers import Asked
from tiergate.demo.control import Arrival, Conduct, Control
from tiergate.demo.delivery import expose_transport
from tiergate.demo.provider import StandInProvider
from tiergate.demo.scenario import ModelProfile, Rule, Scenario
from tiergate.demo.simulation_draws import SimulatedCall, draw_answer
from tiergate.demo.simulation_scenario import SimulationScenario
from tiergate.demo.wire import Wire

_SILENT = "claude-"
"""Models that give no token log-probabilities begin with this."""


class DrawnControl(Control):
    """Answers from the draws of a simulation; a prompt that was not drawn gets the stand-in's own answer.

    Args:
        scenario: The simulation.
        calls: Its calls, by prompt.
        speed: How many times faster than drawn the answers come.
    """

    def __init__(self, scenario: SimulationScenario, calls: Mapping[str, SimulatedCall], *, speed: float) -> None:
        super().__init__(Scenario(name=scenario.name, seed=scenario.seed))
        self._drawn, self._calls, self._speed = scenario, calls, speed

    @override
    def decide_conduct(self, asked: Asked) -> Conduct:
        call = self._calls.get(asked.question)
        if call is None or asked.model not in self._drawn.models:
            return super().decide_conduct(asked)
        answer = draw_answer(self._drawn, asked.model, call.prompt, call.difficulty)
        return Conduct(
            profile=ModelProfile(logprobs="ignored" if asked.model.startswith(_SILENT) else "given"),
            rule=Rule(name=call.difficulty, answer=answer.text, certainty=(math.log(answer.probability),)),
            fault=None,
            first_byte_s=answer.latency_ms / 1000 / self._speed,
            per_token_s=0.0,
        )


class DrawnProvider(StandInProvider):
    """A stand-in provider that bills the context that the simulation has drawn."""

    def __init__(self, scenario: SimulationScenario, calls: Mapping[str, SimulatedCall], *, speed: float) -> None:
        super().__init__(Scenario(name=scenario.name, seed=scenario.seed), scenario.name)
        self._control, self._calls = DrawnControl(scenario, calls, speed=speed), calls

    @override
    def _answer(self, wire: Wire, asked: Asked, arrival: Arrival) -> Response:
        call = self._calls.get(asked.question)
        if call is not None:
            asked = replace(asked, prompt_tokens=asked.prompt_tokens + call.context_tokens)
        return super()._answer(wire, asked, arrival)


def build_drawn_app(scenario: SimulationScenario, calls: Mapping[str, SimulatedCall], *, speed: float = 1.0) -> ASGIApp:
    """Return the provider of a simulation as an ASGI app."""
    return expose_transport(Router(DrawnProvider(scenario, calls, speed=speed).build_routes()))
