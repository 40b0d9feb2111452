"""What tiergate adds to a request: the bare proxy and the proxy with tiergate, paired in one run.

    python benchmarks/overhead.py [--requests 400] [--rounds 5]

Both proxies run at the same time against the same stand-in provider (1 ms to the first byte) and are asked in
turn, in blocks, so that a noisy machine disturbs both alike. Cases: `bare`; `empty`, the proxy with a callback
that does nothing; `miss`, unique prompts through every stage; `exact`, repeats of one prompt; `similar`,
paraphrases that are found by meaning. Writes benchmarks/results/overhead.json.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import yaml

from tiergate.demo.proxy_process import ProxyProcess, run_provider, run_proxy

RESULT = Path(__file__).parent / "results" / "overhead.json"
SEED = 20
NOUNS = ("river", "tower", "garden", "engine", "letter", "planet", "copper", "violin", "harbour", "candle", "mirror")
VERBS = ("paints", "carries", "repairs", "describes", "measures", "follows", "borrows", "crosses", "remembers")
EMPTY_CALLBACK = """
from litellm.integrations.custom_logger import CustomLogger

class Empty(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        return data

    async def async_post_call_success_hook(self, data, user_api_key_dict, response):
        return response

    async def async_post_call_response_headers_hook(self, data, user_api_key_dict, response, request_headers=None):
        return {}

empty = Empty()
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of requests: their times, their rate, and the share that met the cache as the case says."""

    times_ms: list[float]
    requests_per_s: float
    as_expected: float
    cpu_ms_per_request: float


def write_packs(folder: Path, upstream: str) -> dict[str, Path]:
    """Write the configs of the three proxies; every model group is the same upstream."""
    params = {"model": "openai/gpt-bench", "api_base": f"{upstream}/v1", "api_key": "stand-in"}
    price = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}
    groups = ["auto", "tier-simple", "tier-medium", "tier-frontier"]
    models = [{"model_name": name, "litellm_params": params, "model_info": price} for name in groups]
    general = {"general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"}}
    cache = {"model_name": "tier-cache", "litellm_params": {"model": "tiergate/cache"}}
    provider = {"provider": "tiergate", "custom_handler": "tiergate.callbacks.cache_provider"}
    packs = {
        "bare": {"model_list": models, **general},
        "empty": {"model_list": models, "litellm_settings": {"callbacks": ["empty.empty"]}, **general},
        "tiergate": {
            "model_list": [*models, cache],
            "litellm_settings": {"callbacks": ["tiergate.callbacks.tiergate"], "custom_provider_map": [provider]},
            **general,
        },
    }
    policy = {
        "version": 1,
        "tiers": [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")],
        "semantic_cache": {"min_similarity": 0.9},
    }
    paths = {}
    for name, config in packs.items():
        place = folder / name
        place.mkdir()
        (place / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        paths[name] = place / "config.yaml"
    (folder / "tiergate" / "policy.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    (folder / "empty" / "empty.py").write_text(EMPTY_CALLBACK, encoding="utf-8")
    return paths


def unique_prompts(rng: random.Random) -> Iterator[str]:
    """Yield prompts that are far from one another."""
    for number in itertools.count():
        words = [*rng.sample(NOUNS, 3), *rng.sample(VERBS, 2)]
        rng.shuffle(words)
        yield f"What does the {' '.join(words)} number {number} {rng.randrange(10**6)} mean?"


def repeats(*prompts: str) -> Iterator[str]:
    """Yield the prompts over and over."""
    return itertools.cycle(prompts)


async def measure(
    proxy: ProxyProcess, prompts: Iterator[str], *, requests: int, concurrency: int, cache: str | None = None
) -> Block:
    """Send requests and measure them.

    Raises:
        RuntimeError: A request failed.
    """
    times: list[float] = []
    as_expected = 0
    queue = [next(prompts) for _ in range(requests)]
    headers = {"Authorization": f"Bearer {proxy.master_key}"}

    async def work(session: aiohttp.ClientSession) -> None:
        while queue:
            body = {"model": "auto", "messages": [{"role": "user", "content": queue.pop()}]}
            began = time.perf_counter()
            async with session.post(f"{proxy.url}/v1/chat/completions", json=body, headers=headers) as response:
                text = await response.text()
            times.append(1000 * (time.perf_counter() - began))
            if response.status != 200:
                raise RuntimeError(f"status {response.status}: {text[:200]}")
            nonlocal as_expected
            as_expected += response.headers.get("x-tiergate-cache") == cache

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        cpu = _cpu_s(proxy)
        began = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
        took = time.perf_counter() - began
        return Block(times, requests / took, as_expected / requests, 1000 * (_cpu_s(proxy) - cpu) / requests)


def _cpu_s(proxy: ProxyProcess) -> float:
    """Return the CPU time of the proxy's process group so far, in seconds; unlike wall time it bears other load."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == proxy.process.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def summarise(blocks: dict[str, list[Block]]) -> dict[str, Any]:
    """Return quantiles of all times, the median throughput, and both relative to bare, block by block."""
    bare = blocks["bare"]
    summary = {}
    for case, measured in blocks.items():
        pairs = list(zip(measured, bare, strict=True))
        times = [ms for block in measured for ms in block.times_ms]
        added = [float(np.median(block.times_ms) - np.median(base.times_ms)) for block, base in pairs]
        ratios = [block.requests_per_s / base.requests_per_s for block, base in pairs]
        summary[case] = {
            "n": len(times),
            "cpu_ms_per_request": round(statistics.median(block.cpu_ms_per_request for block in measured), 3),
            "p50_ms": round(float(np.percentile(times, 50)), 3),
            "p95_ms": round(float(np.percentile(times, 95)), 3),
            "requests_per_s": round(statistics.median(block.requests_per_s for block in measured), 1),
            "cache_as_expected": round(statistics.fmean(block.as_expected for block in measured), 4),
            "added_p50_ms": {"median": round(statistics.median(added), 3), "blocks": [round(ms, 3) for ms in added]},
            "throughput_ratio": {
                "median": round(statistics.median(ratios), 3),
                "blocks": [round(ratio, 3) for ratio in ratios],
            },
        }
    return summary


def run(requests: int, rounds: int) -> dict[str, Any]:
    """Run every case at concurrency 1 and 16."""
    rng = random.Random(SEED)  # noqa: S311  not for security
    unique = unique_prompts(rng)
    cases: dict[str, tuple[str, Callable[[], Iterator[str]], str | None]] = {
        "bare": ("bare", lambda: unique, None),
        "empty": ("empty", lambda: unique, None),
        "miss": ("tiergate", lambda: unique, "miss"),
        "exact": ("tiergate", lambda: repeats("What is the capital of France?"), "hit"),
        "similar": (
            "tiergate",
            lambda: (f"what is the capital of France{'?' * (n % 97 + 2)}" for n in itertools.count()),
            "hit",
        ),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiergate-bench-")))
        upstream = stack.enter_context(run_provider("upstream", folder))
        upstream.order("latency", first_byte={"kind": "constant", "ms": 1})
        proxies = {
            name: stack.enter_context(run_proxy(config, config.parent))
            for name, config in write_packs(folder, upstream.url).items()
        }
        result: dict[str, Any] = {}
        for proxy in proxies.values():
            asyncio.run(measure(proxy, unique, requests=40, concurrency=4))
        warm = repeats("What is the capital of France?")
        with proxies["tiergate"].client() as client:
            client.post(
                "/v1/chat/completions", json={"model": "auto", "messages": [{"role": "user", "content": next(warm)}]}
            ).raise_for_status()
        for concurrency in (1, 16):
            blocks: dict[str, list[Block]] = {case: [] for case in cases}
            for _ in range(rounds):
                for case, (proxy_name, prompts, cache) in cases.items():
                    blocks[case].append(
                        asyncio.run(
                            measure(
                                proxies[proxy_name],
                                prompts(),
                                requests=requests,
                                concurrency=concurrency,
                                cache=cache,
                            )
                        )
                    )
            result[f"concurrency_{concurrency}"] = summarise(blocks)
    return result


def main() -> None:
    """Run, print a table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    result = {
        "benchmark": "overhead",
        "seed": SEED,
        "requests_per_block": options.requests,
        "rounds": options.rounds,
        "load_before": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("litellm", "onnxruntime", "qdrant-edge-py", "tiergate")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **run(options.requests, options.rounds),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for concurrency in ("concurrency_1", "concurrency_16"):
        print(concurrency)
        for case, figures in result[concurrency].items():
            added, ratio = figures["added_p50_ms"]["median"], figures["throughput_ratio"]["median"]
            print(
                f"  {case:8} p50 {figures['p50_ms']:7.2f} ms  added {added:+6.2f} ms"
                f"  cpu {figures['cpu_ms_per_request']:6.2f} ms  {figures['requests_per_s']:6.1f}/s  ratio {ratio:.2f}"
            )


if __name__ == "__main__":
    sys.exit(main())
