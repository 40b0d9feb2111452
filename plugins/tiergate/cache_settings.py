"""Sections of policy.yaml about the semantic cache: its stores, equal questions at one time, the brake on stuffing."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from tiergate.policy_section import Milliseconds, Section, Share


class EdgeStore(Section):
    """Qdrant Edge: embedded, one process."""

    kind: Literal["edge"] = "edge"
    path: Path = Path("./data/cache")
    max_entries: int = Field(default=1_000_000, gt=0)


class ServerStore(Section):
    """A Qdrant server or cluster."""

    kind: Literal["server"]
    url: str
    api_key: str | None = None
    collection: str = "tiergate"
    grpc: bool = False
    grpc_port: int = Field(default=6334, gt=0, lt=65536)
    on_disk: bool = False
    quantisation: Literal["none", "scalar", "binary"] = "none"
    replication_factor: int = Field(default=1, ge=1)
    shards: int = Field(default=1, ge=1)
    look_up_budget_ms: Milliseconds = 40
    store_budget_ms: Milliseconds = 2000


class SingleFlight(Section):
    """Whether equal questions that are asked at the same time wait for one answer."""

    enabled: bool = True
    budget_ms: Milliseconds = 60_000


class StoreLimit(Section):
    """How many answers a caller may store beside one that is there already."""

    near_similarity: Share = 0.80
    per_minute: int = Field(default=60, gt=0)
