"""Writes LiteLLM's standard logging payload of each call as a JSON line into the working directory."""

import json
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

KEPT = (
    "id", "litellm_call_id", "call_type", "status", "model", "model_group", "custom_llm_provider", "response_cost",
    "prompt_tokens", "completion_tokens", "stream",
)  # fmt: skip
WHO = ("user_api_key_hash", "user_api_key_team_id", "user_api_key_user_id")


class PayloadLog(CustomLogger):
    def _write(self, kwargs: dict[str, Any]) -> None:
        payload = kwargs["standard_logging_object"]
        line = {name: payload.get(name) for name in KEPT}
        line |= {name: payload["metadata"].get(name) for name in WHO}
        with Path("payloads.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002  LiteLLM's names
        self._write(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:  # noqa: ARG002  LiteLLM's names
        self._write(kwargs)


payload_log = PayloadLog()
