"""The provider of a simulation, over HTTP."""

import math

import httpx
import pytest

from tiergate.demo.background import run_in_background
from tiergate.demo.simulation_draws import draw_answer, draw_calls
from tiergate.demo.simulation_provider import build_drawn_app
from tiergate.demo.simulation_scenario import load_simulation


def test_it_answers_and_bills_what_was_drawn() -> None:
    scenario = load_simulation("agent-stack").model_copy(update={"tasks": 1})
    call = draw_calls(scenario)[0]
    app = build_drawn_app(scenario, {call.prompt: call}, speed=100.0)
    with run_in_background(app=app) as provider:
        body = {"model": "deepseek-v4-pro", "messages": [{"role": "user", "content": call.prompt}], "logprobs": True}
        url = f"{provider.url}/v1/chat/completions"
        answer = httpx.post(url, json=body, trust_env=False).json()
        stranger = httpx.post(
            url, json=body | {"messages": [{"role": "user", "content": "Hi"}]}, trust_env=False
        ).json()
    drawn = draw_answer(scenario, "deepseek-v4-pro", call.prompt, call.difficulty)
    assert answer["choices"][0]["message"]["content"] == drawn.text
    logprob = answer["choices"][0]["logprobs"]["content"][0]["logprob"]
    assert logprob == pytest.approx(math.log(drawn.probability))
    assert answer["usage"]["prompt_tokens"] > call.context_tokens
    assert stranger["usage"]["prompt_tokens"] < 100
