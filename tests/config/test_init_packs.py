"""Packs that `tiergate init` writes, served by a real proxy."""

from pathlib import Path

import pytest

from tiergate.cli.pack_writer import load_providers, write_pack
from tiergate.demo.proxy_process import run_proxy
from tiergate.pack_check import check_pack

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]


@pytest.mark.parametrize(
    "names", [["deepseek", "openai", "anthropic"], ["azure", "bedrock"], ["vllm", "groq", "openrouter"]], ids="+".join
)
def test_a_written_pack_is_accepted_and_served(names: list[str], tmp_path: Path) -> None:
    known = load_providers()
    providers = [known[name] for name in names]
    write_pack(tmp_path / "pack", providers)
    environ = {name: "http://127.0.0.1:9" for provider in providers for name in provider.variables}
    checked = check_pack(tmp_path / "pack" / "policy.yaml", tmp_path / "pack" / "config.yaml", environ=environ)
    assert checked.errors == ()
    with run_proxy(tmp_path / "pack" / "config.yaml", tmp_path, environ=environ) as proxy, proxy.client() as client:
        served = {item["id"] for item in client.get("/v1/models").json()["data"]}
    assert {"auto", "tier-simple"} <= served
