#!/bin/sh
# Runs this recipe's config.yaml on stand-in providers behind a real proxy and sends probes.yaml. No keys, nothing leaves the machine.
exec "${PYTHON:-python3}" -m tiergate.demo.recipe "$(dirname "$0")" "$@"
