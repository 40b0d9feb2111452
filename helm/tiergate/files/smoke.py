"""Asks a released proxy whether it lives, is ready, guards its API and offers the entry models. Calls no provider."""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ["PROXY_URL"]
OK = 200
HTTP_ERROR = 400  # LiteLLM without its database packages answers 500 where it would answer 401


def get(path: str, key: str = "") -> tuple[int, bytes]:
    """Return status and body of a GET."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(URL + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def main() -> int:
    """Return 0 when all is well; print what is not."""
    status, body = get("/v1/models", os.environ["LITELLM_MASTER_KEY"])
    offered = {model["id"] for model in json.loads(body)["data"]} if status == OK else set()
    checks = {
        "/health/liveliness answers 200": get("/health/liveliness")[0] == OK,
        "/health/readiness answers 200": get("/health/readiness")[0] == OK,
        "/v1/models refuses a caller without a key": get("/v1/models")[0] >= HTTP_ERROR,
        "/v1/models answers the master key": status == OK,
    }
    for model in os.environ["ENTRY_MODELS"].split(","):
        checks[f"/v1/models offers {model}"] = model in offered
    for check, holds in checks.items():
        print("ok    " if holds else "FAILED", check, flush=True)
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
