"""Between trust and escalation: ask a judge, or ask again and compare."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tiergate.errors import EscalationError
from tiergate.exchange import Answer, Request
from tiergate.policy.verifier import MIN_AGREEMENT, measure_agreement, parse_verdict, write_judge_messages
from tiergate.settings import Verifier as Settings
from tiergate.stages.failopen import fail_open

NONCE_BYTES = 16
JUDGE_TOKENS = 100
SAMPLE_TEMPERATURE = 0.7

AskModel = Callable[[Mapping[str, Any] | None], Awaitable[str]]
"""Asks the verifier's model group and returns its text: a chat of its own, or the client's request with changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verifier said: good, not good, or nothing; and the class of the error when it failed."""

    good: bool | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Gives a second opinion on an answer within a time budget."""

    settings: Settings

    async def verify(self, request: Request, answer: Answer, ask: AskModel) -> Verdict:
        """Return the verdict; never raises for trouble of its own.

        Args:
            request: The request.
            answer: The answer in doubt.
            ask: Sends chat messages to the judge (`{"messages": ...}`), or the client's request once more with
                changed parameters, and returns the text of the answer.
        """
        check = self._judge if self.settings.kind == "judge" else self._compare
        return await fail_open(
            "verifier",
            check(request, answer, ask),
            budget_ms=self.settings.budget_ms,
            otherwise=lambda _reason, exc: Verdict(error=type(exc).__name__),
        )

    @staticmethod
    async def _judge(request: Request, answer: Answer, ask: AskModel) -> Verdict:
        nonce = secrets.token_hex(NONCE_BYTES)
        messages = write_judge_messages(request.prompt, answer.text, nonce)
        text = await ask({"messages": messages, "max_tokens": JUDGE_TOKENS, "temperature": 0})
        return Verdict(good=parse_verdict(text, nonce))

    async def _compare(self, request: Request, answer: Answer, ask: AskModel) -> Verdict:
        del request
        asked = [ask({"temperature": SAMPLE_TEMPERATURE}) for _ in range(self.settings.samples)]
        given = await asyncio.gather(*asked, return_exceptions=True)
        samples = [text for text in given if isinstance(text, str)]
        if not samples:
            raise EscalationError("no sample was given") from next(
                (exc for exc in given if isinstance(exc, Exception)), None
            )
        return Verdict(good=measure_agreement(answer.text, samples) >= MIN_AGREEMENT)
