"""What a request needs of a model besides skill, and which human turn it belongs to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from tiergate.exchange import Need
from tiergate.policy.agent_turns import HumanTurn


def content_text(content: Any) -> str:
    """Return the text of a message's content, parts joined by newlines."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if is_text_part(part)) if isinstance(content, list) else ""


def is_text_part(part: Any) -> bool:
    """Tell whether a content part is text."""
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


_IMAGE_TOKENS = 1_000
_CHARACTERS_PER_TOKEN = 4
_PART_NEEDS: Mapping[str, Need] = {
    "image_url": Need.IMAGES,
    "image": Need.IMAGES,
    "input_image": Need.IMAGES,
    "input_audio": Need.AUDIO,
    "audio": Need.AUDIO,
}


def needs_of(data: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> frozenset[Need]:
    """Return what the model must be able to take or give; length is judged apart."""
    parts = [part for message in messages for part in _parts(message.get("content"))]
    needs = {_PART_NEEDS[kind] for part in parts if (kind := str(part.get("type"))) in _PART_NEEDS}
    if data.get("tools") or data.get("functions"):
        needs.add(Need.TOOLS)
    if any(isinstance(wanted, dict) and wanted.get("type") == "json_schema" for wanted in _formats(data)):
        needs.add(Need.JSON_SCHEMA)
    return frozenset(needs)


def estimate_tokens(data: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> int:
    """Estimate the prompt's length in tokens: four characters each, a thousand for each picture."""
    characters, pictures = 0, 0
    for message in messages:
        content = message.get("content")
        characters += len(content) if isinstance(content, str) else 0
        for part in _parts(content):
            pictures += _PART_NEEDS.get(str(part.get("type"))) is Need.IMAGES
            characters += sum(len(value) for key in ("text", "content") if isinstance(value := part.get(key), str))
        if message.get("tool_calls"):
            characters += len(str(message["tool_calls"]))
    for key in ("tools", "functions", "system", "instructions"):
        if data.get(key):
            characters += len(str(data[key]))
    return characters // _CHARACTERS_PER_TOKEN + _IMAGE_TOKENS * pictures


def digest_turn(
    data: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], turn: HumanTurn | None, tenant: str | None
) -> str:
    """Digest the conversation up to the human turn; empty when there is none, or when nobody sent it."""
    if turn is None or tenant is None:
        return ""
    said = [[message.get("role"), content_text(message.get("content"))] for message in messages[: turn.place]]
    text = json.dumps([tenant, data.get("model"), said, turn.text], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def tool_names(data: Mapping[str, Any]) -> list[str]:
    """Return the names of the tools on offer."""
    tools = data.get("tools")
    functions = [tool.get("function") or tool for tool in tools if isinstance(tool, dict)] if _is_list(tools) else []
    return [str(function.get("name", "")) for function in functions if isinstance(function, dict)]


def tool_schemas(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the JSON schema of the arguments of each function on offer, by name, as each endpoint writes it."""
    offered = [item for key in ("tools", "functions") if _is_list(data.get(key)) for item in data[key]]
    functions = [tool.get("function") or tool for tool in offered if isinstance(tool, dict)]
    found: dict[str, Mapping[str, Any]] = {}
    for function in functions:
        if isinstance(function, dict):
            schema = function.get("parameters") or function.get("input_schema")
            if isinstance(schema, dict):
                found[str(function.get("name", ""))] = schema
    return found


def answer_schema(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that the answer has to follow, as each endpoint writes it; None without one."""
    for wanted in _formats(data):
        if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
            inner = wanted.get("json_schema")
            schema = (inner if isinstance(inner, dict) else wanted).get("schema")
            if isinstance(schema, dict):
                return schema
    return None


def _formats(data: Mapping[str, Any]) -> list[Any]:
    """Return what was asked for as the answer's format, by the key of each endpoint."""
    text, config = data.get("text"), data.get("output_config")
    nested = [place.get("format") for place in (text, config) if isinstance(place, Mapping)]
    return [data.get("response_format"), data.get("output_format"), *nested]


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _parts(content: Any) -> list[dict[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if _is_list(content) else []
