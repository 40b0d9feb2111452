"""A real vLLM server on the CPU, from the venv of `make test-vllm`."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tiergate.demo.proxy_process import free_port

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
TOKENIZER = ROOT / "plugins" / "tiergate" / "models" / "encoder" / "tokenizer.json"
START_S = 420


def make_models(folder: Path, *shape: str) -> None:
    """Write `classify` and `generate` into a folder; `shape` are options of model_maker.py."""
    maker = Path(__file__).with_name("model_maker.py")
    subprocess.run([PYTHON, maker, TOKENIZER, folder, *shape], check=True, timeout=180)


@contextmanager
def vllm_server(model: Path, log: Path, *options: str) -> Iterator[str]:
    """Serve a model as `intent` and yield the address once it is ready.

    Raises:
        RuntimeError: The server ended, or was not ready in time.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--served-model-name", "intent"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-model-len", "1024", *options]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment.pop("PYTHONPATH", None)
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        _await_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            time.sleep(1)
    raise RuntimeError(f"vLLM was not ready: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
