"""Where workers meet who ask the same question: LiteLLM's own Redis (port `FlightBoard`)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from redis.exceptions import RedisError

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.stored_entry import EntryCodec
from tiergate.errors import StoreError
from tiergate.ports import StoredAnswer

logger = logging.getLogger(__name__)

_PREFIX = "tiergate:flight:"
_NONE = "none"
_FIRST_POLL_S, _LAST_POLL_S = 0.02, 0.25

_PUBLISH = """
if redis.call('get', KEYS[1]) == ARGV[1] then
  redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3])
  redis.call('del', KEYS[1])
end
"""
"""The answer appears and the lease ends in one step; a leader whose lease has run out publishes nothing."""


class LiteLLMFlightBoard:
    """One lease and one answer for each question, both with an end of their own.

    Without Redis every worker leads for itself. Answers lie in Redis for two seconds, sealed when policy gives keys.

    Args:
        redis: Returns LiteLLM's `RedisCache`, or None when it has none (yet).
        cipher: Seals answers.
        budget_s: Longest time of one command.
    """

    def __init__(self, redis: Callable[[], Any], *, cipher: AnswerCipher | None = None, budget_s: float = 0.5) -> None:
        self._redis, self._codec, self._budget_s = redis, EntryCodec(cipher), budget_s

    async def lead(self, key: str, owner: str, *, lease_s: float) -> bool:
        """Tell whether `owner` leads: True without Redis, and False while another leads or has just landed.

        Raises:
            StoreError: Redis failed.
        """
        client = self._client()
        if client is None:
            return True
        lock, answer = self._keys(key)
        if await self._run(client.get(answer)) is not None:
            return False
        return bool(await self._run(client.set(lock, owner, nx=True, px=max(1, int(1000 * lease_s)))))

    async def publish(self, key: str, owner: str, answer: StoredAnswer | None, *, keep_s: float) -> None:
        """Give the others the answer, or let them go on alone.

        Raises:
            StoreError: Redis failed.
        """
        client = self._client()
        if client is None:
            return
        lock, place = self._keys(key)
        text = _NONE if answer is None else self._codec.dumps(answer)
        await self._run(client.eval(_PUBLISH, 2, lock, place, owner, text, max(1, int(1000 * keep_s))))

    async def follow(self, key: str, *, budget_s: float) -> StoredAnswer | None:
        """Wait until the leader publishes; None when it has no answer, its lease ended, or time is up.

        Raises:
            StoreError: Redis failed.
        """
        client = self._client()
        if client is None:
            return None
        lock, place = self._keys(key)
        loop, pause_s = asyncio.get_running_loop(), _FIRST_POLL_S
        deadline = loop.time() + budget_s
        while loop.time() < deadline:
            text, leased = await self._run(client.mget(place, lock))
            if text is not None:
                return _read(self._codec, text)
            if leased is None:
                return None
            await asyncio.sleep(pause_s)
            pause_s = min(_LAST_POLL_S, 1.5 * pause_s)
        return None

    def _client(self) -> Any:
        cache = self._redis()
        return None if cache is None else cache.init_async_client()

    def _keys(self, key: str) -> tuple[str, str]:
        cache = self._redis()
        return (
            str(cache.check_and_fix_namespace(key=f"{_PREFIX}{{{key}}}:lead")),
            str(cache.check_and_fix_namespace(key=f"{_PREFIX}{{{key}}}:answer")),
        )

    async def _run(self, command: Any) -> Any:
        try:
            async with asyncio.timeout(self._budget_s):
                return await command
        except (RedisError, TimeoutError, OSError) as exc:
            raise StoreError(f"Redis failed: {type(exc).__name__}: {exc}") from exc


def _read(codec: EntryCodec, text: bytes | str) -> StoredAnswer | None:
    plain = text.decode() if isinstance(text, bytes) else text
    return None if plain == _NONE else codec.loads(plain)
