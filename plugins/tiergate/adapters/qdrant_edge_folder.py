"""The folder of the embedded answer store: who may open it, and which shard in it is current.

lock             held by the one process that has the store open
manifest.json    schema version, and for each encoder its current shard
<encoder>/<n>/   a shard; <encoder> is the start of the encoder's digest
"""

import fcntl
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from tiergate.adapters.stored_entry import SCHEMA_VERSION
from tiergate.errors import ConfigurationError

MIGRATED_VERSIONS = (1,)
"""Versions of the folder whose entries are brought up to date when their shard is opened."""

_MANIFEST = "manifest.json"
_KEY = "semantic_cache.store"


class EdgeFolder:
    """A store folder that this process has locked.

    Args:
        path: The folder; made when missing, then for its owner only, since it holds prompts and answers.
        dimensions: Length of the encoder's vectors.
        encoder_digest: Digest of the encoder. Each encoder has shards of its own, so vectors never mix.
        borrowed: Whether this process holds the lock already, for another encoder.

    Raises:
        ConfigurationError: The folder cannot be used, another process has it open, or its manifest is torn or
            of another schema.
    """

    def __init__(self, path: Path, dimensions: int, encoder_digest: str, *, borrowed: bool = False) -> None:
        self.path = path
        self._dimensions = dimensions
        self._digest = encoder_digest
        self._collection = path / encoder_digest[:16]
        self._lock = -1 if borrowed else self._acquire()
        try:
            self._manifest = self._read()
            self.shard = self._current()
        except ConfigurationError:
            self.release()
            raise

    def next_shard(self) -> Path:
        """A folder for the next shard of this encoder, which does not exist yet."""
        number = int(self.shard.name.partition("-")[0]) + 1
        # An interrupted optimise may still write to the folder of its number: hence the random part.
        return self._collection / f"{number}-{uuid.uuid4().hex[:8]}"

    def make_current(self, shard: Path) -> None:
        """Say that `shard` is this encoder's current one, in one step that a crash cannot tear.

        Raises:
            OSError: The manifest could not be written.
        """
        collections = self._manifest["collections"]
        collections[self._collection.name] = {
            "encoder_digest": self._digest,
            "dimensions": self._dimensions,
            "shard": shard.name,
        }
        draft = self.path / f"{_MANIFEST}.new"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(self._manifest, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / _MANIFEST)
        self.shard = shard

    def remove_others(self) -> None:
        """Remove this encoder's shards that are not current: an optimise was interrupted or has ended."""
        if self._collection.is_dir():
            for folder in self._collection.iterdir():
                if folder.name != self.shard.name:
                    shutil.rmtree(folder, ignore_errors=True)

    def previous(self) -> tuple[str, int] | None:
        """Return digest and dimensions of another encoder whose shard is still there; None when there is none."""
        for name, entry in self._manifest["collections"].items():
            if name != self._collection.name and (self.path / name / str(entry.get("shard"))).is_dir():
                return str(entry["encoder_digest"]), int(entry["dimensions"])
        return None

    def forget(self, encoder_digest: str) -> None:
        """Remove the collection of another encoder.

        Raises:
            OSError: The manifest could not be written.
        """
        name = encoder_digest[:16]
        if self._manifest["collections"].pop(name, None) is not None:
            self.make_current(self.shard)
            shutil.rmtree(self.path / name, ignore_errors=True)

    def release(self) -> None:
        """Give the lock back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _acquire(self) -> int:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            problem = f"the folder cannot be written ({exc.strerror})"
            fix = "give a folder that the proxy's user may write, or set semantic_cache.enabled: false"
            raise ConfigurationError(self.path, f"{_KEY}.path", problem, fix) from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(lock)
            problem = "another process has this answer store open, and the embedded store serves one process"
            fix = "run one worker, or share a Qdrant server with `store: {kind: server, url: …}`"
            raise ConfigurationError(self.path, f"{_KEY}.path", problem, fix) from exc
        return lock

    def _read(self) -> dict[str, Any]:
        file = self.path / _MANIFEST
        if not file.exists():
            return {"schema": SCHEMA_VERSION, "collections": {}}
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            schema, collections = manifest["schema"], manifest["collections"]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            fix = "move the folder away; the cache then starts empty"
            raise ConfigurationError(file, "", f"cannot be read ({exc!r})", fix) from exc
        if schema not in {SCHEMA_VERSION, *MIGRATED_VERSIONS} or not isinstance(collections, dict):
            problem = f"is of schema {schema!r}, this version of tiergate writes {SCHEMA_VERSION}"
            fix = "give another path, or move the folder away; the cache then starts empty"
            raise ConfigurationError(file, "schema", problem, fix)
        return {"schema": SCHEMA_VERSION, "collections": collections}

    def _unlisted(self) -> Path:
        """The shard to use when the manifest names none: a new one, or the only one that is there."""
        shards = list(self._collection.iterdir()) if self._collection.is_dir() else []
        if len(shards) > 1:
            fix = "restore manifest.json, or move the folder away; the cache then starts empty"
            raise ConfigurationError(self._collection, "", "there are several shards and no manifest", fix)
        return shards[0] if shards else self._collection / "1"

    def _current(self) -> Path:
        """The current shard's folder; for a new encoder one that does not exist yet."""
        entry = self._manifest["collections"].get(self._collection.name)
        if entry is None:
            return self._unlisted()
        if entry.get("encoder_digest") != self._digest or entry.get("dimensions") != self._dimensions:
            problem = f"{entry!r} does not fit the encoder {self._digest} of {self._dimensions} dimensions"
            fix = "move the folder away; the cache then starts empty"
            raise ConfigurationError(self.path / _MANIFEST, f"collections.{self._collection.name}", problem, fix)
        shard = self._collection / str(entry.get("shard"))
        if not shard.is_dir():
            fix = "move the whole folder away; the cache then starts empty"
            raise ConfigurationError(shard, "", "the shard that the manifest names is missing", fix)
        return shard
