from enum import StrEnum

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.schemas import Schemas

from tiergate.telemetry import names

GEN_AI = {
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.value",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.explanation",
}


def test_names_are_tiergates_own_or_of_the_conventions() -> None:
    foreign = {str(name) for name in names.Attribute if not name.startswith("tiergate.")}
    assert foreign == GEN_AI | {"error.type"}


def test_the_genai_names_are_those_of_the_installed_conventions() -> None:
    known = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    assert known >= GEN_AI


def test_the_pinned_version_is_one_the_installed_conventions_know() -> None:
    assert names.SCHEMA_URL in {schema.value for schema in Schemas}


def test_every_stage_has_its_span_and_the_same_stem() -> None:
    for stage in names.Stage:
        assert names.Span[stage.name] == f"tiergate.{stage}"


def test_every_metric_has_a_unit_and_a_description() -> None:
    assert set(names.UNITS) == set(names.DESCRIPTIONS) == set(names.Metric)
    assert set(names.BUCKETS) < set(names.Metric)


@pytest.mark.parametrize("buckets", names.BUCKETS.values())
def test_buckets_rise(buckets: tuple[float, ...]) -> None:
    assert list(buckets) == sorted(set(buckets))


@pytest.mark.parametrize("closed", [names.Header, names.Span, names.Attribute, names.Metric, names.Label])
def test_no_name_is_declared_twice(closed: type[StrEnum]) -> None:
    assert len(closed) == len(closed.__members__)


def test_no_name_speaks_of_prompt_or_answer_text() -> None:
    text = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion"}
    assert not text & {str(name) for name in names.Attribute}
    assert not [name for name in names.Attribute if name.endswith((".prompt", ".answer", ".text", ".content"))]
