"""Asks tiers and a judge through the running proxy, keeps every answer at once, and stops at a cost cap."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tiergate.errors import TiergateError

CHARACTERS_PER_TOKEN: Final = 4
_RETRIES: Final = 3


class ReplayError(TiergateError):
    """The proxy cannot be asked."""


class CostCapReachedError(ReplayError):
    """The next call could pass the cost cap; what is answered is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a model group.

    Attributes:
        key: What was asked, unique in the journal.
        text: The answer.
        cost_usd: What it cost, as LiteLLM says.
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens of the answer.
        ms: How long it took.
    """

    key: str
    text: str
    cost_usd: float
    prompt_tokens: int
    completion_tokens: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per token of a model group."""

    input_usd: float
    output_usd: float

    def estimate(self, characters: int, completion_tokens: int) -> float:
        """Return the expected cost of a call in USD."""
        return characters / CHARACTERS_PER_TOKEN * self.input_usd + completion_tokens * self.output_usd


class Journal:
    """Every reply so far, one JSON line each, so that an interrupted run goes on where it stopped.

    Args:
        path: The file; made when it is not there. A torn last line is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.replies: dict[str, Reply] = {}
        if path.exists():
            for line in path.read_bytes().split(b"\n"):  # an answer may hold U+2028, which ends no line
                try:
                    reply = Reply(**json.loads(line))
                except (ValueError, TypeError):
                    continue
                self.replies[reply.key] = reply

    @property
    def spent_usd(self) -> float:
        """What all replies cost."""
        return sum(reply.cost_usd for reply in self.replies.values())

    def keep(self, reply: Reply) -> None:
        """Keep a reply; it is on disk when this returns."""
        self.replies[reply.key] = reply
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" if _torn(self._path) else "")
            file.write(json.dumps(asdict(reply), ensure_ascii=False) + "\n")


def _torn(path: Path) -> bool:
    """Tell whether the file ends within a line."""
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"


class ProxyClient:
    """The running proxy, asked over HTTP.

    Args:
        base_url: Its address without a path.
        api_key: A key that may call the tiers' model groups.
        journal: Keeps the replies.
        max_cost_usd: Never pass this, the journal's earlier cost included.
        concurrency: Calls at the same time.
        max_tokens: Limit of an answer.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        journal: Journal,
        *,
        max_cost_usd: float,
        concurrency: int = 4,
        max_tokens: int = 1024,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=120, trust_env=False)
        self.journal, self._cap, self._max_tokens = journal, max_cost_usd, max_tokens
        self._slots = asyncio.Semaphore(concurrency)
        self._reserved = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def prices(self) -> dict[str, Price]:
        """Return the price of each model group that LiteLLM knows one for: its dearest deployment's.

        Raises:
            ReplayError: The proxy cannot be reached, or refuses the key.
        """
        try:
            response = await self._http.get("/v1/model/info")
            response.raise_for_status()
        except httpx.HTTPError as exc:
            raise ReplayError(f"the proxy does not tell its prices ({exc}). Fix: check --base-url and --key.") from exc
        found: dict[str, Price] = {}
        for entry in response.json().get("data", []):
            info = entry.get("model_info") or {}
            price = (info.get("input_cost_per_token"), info.get("output_cost_per_token"))
            if price[0] is None or price[1] is None:
                continue
            before = found.get(entry["model_name"], Price(input_usd=0, output_usd=0))
            found[entry["model_name"]] = Price(
                input_usd=max(before.input_usd, float(price[0])), output_usd=max(before.output_usd, float(price[1]))
            )
        return found

    async def ask(
        self, key: str, model_group: str, prompt: str, *, price: Price | None, params: Mapping[str, Any] | None = None
    ) -> Reply:
        """Return the reply to a prompt, from the journal when it is there.

        Raises:
            CostCapReachedError: The call could pass the cap.
            ReplayError: The model group gave no answer.
        """
        kept = self.journal.replies.get(key)
        if kept is not None:
            return kept
        async with self._slots:
            most = price.estimate(len(prompt), self._max_tokens) if price is not None else 0.0
            if self.journal.spent_usd + self._reserved + most > self._cap:
                raise CostCapReachedError(
                    f"the next call may cost {most:.6f} USD and would pass the cap of {self._cap} USD; "
                    f"{self.journal.spent_usd:.6f} USD is spent"
                )
            self._reserved += most
            try:
                reply = await self._call(key, model_group, prompt, price, params or {})
            finally:
                self._reserved -= most
            self.journal.keep(reply)
            return reply

    async def _call(
        self, key: str, model_group: str, prompt: str, price: Price | None, params: Mapping[str, Any]
    ) -> Reply:
        body = {"max_tokens": self._max_tokens, **params, "model": model_group}
        body["messages"] = [{"role": "user", "content": prompt}]
        began = time.perf_counter()
        problem = "no try was made"
        for turn in range(_RETRIES):
            try:
                response = await self._http.post("/v1/chat/completions", json=body)
            except httpx.HTTPError as exc:
                problem = str(exc) or type(exc).__name__
            else:
                if response.is_success:
                    return _parse(key, response, price, 1000 * (time.perf_counter() - began))
                problem = f"status {response.status_code}: {response.text[:200]}"
                if not response.is_server_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    break
            await asyncio.sleep(0.5 * 2**turn)
        raise ReplayError(f"{model_group} gave no answer ({problem})")


def _parse(key: str, response: httpx.Response, price: Price | None, ms: float) -> Reply:
    body = response.json()
    usage = body.get("usage") or {}
    prompt_tokens, completion_tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
    told = response.headers.get("x-litellm-response-cost")
    try:
        cost_usd = float(told) if told is not None else None
    except ValueError:
        cost_usd = None
    if cost_usd is None:
        cost_usd = 0.0 if price is None else prompt_tokens * price.input_usd + completion_tokens * price.output_usd
    return Reply(
        key=key,
        text=str(body["choices"][0]["message"].get("content") or ""),
        cost_usd=cost_usd,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        ms=round(ms, 3),
    )


async def ask_all(calls: Sequence[Any], run: Callable[[Any], Any]) -> list[Any]:
    """Run calls together; on an error cancel the rest and raise it. What was answered is in the journal."""
    tasks = [asyncio.ensure_future(run(call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
