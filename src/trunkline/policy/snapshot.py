"""The last good keys on disk (digests, never keys), for a start while the store is down (reliability.md D2)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trunkline.policy.keys import Held
from trunkline.types.principal import Principal

FORMAT = 1
#: Encoded at a time, so that the thread that writes never holds the interpreter for long.
_CHUNK = 500


class _Head(msgspec.Struct, frozen=True):
    """First line. A file with another format, or fewer lines than it says, is not used."""

    format: int
    keys: int


class _Line(msgspec.Struct, frozen=True):
    digest: bytes
    principal: Principal
    ends_at: float | None


_HEAD = msgspec.json.Decoder(_Head)
_LINE = msgspec.json.Decoder(_Line)
_ENCODER = msgspec.json.Encoder()


class KeySnapshot:
    """All methods block: call them in a thread. Several workers may write the same file: all write the same keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[dict[bytes, Held], float] | None:
        """The keys and how old they are (seconds); None if there is no usable file."""
        try:
            age = max(0.0, time.time() - self._path.stat().st_mtime)
            head, *lines = self._path.read_bytes().splitlines()
            first = _HEAD.decode(head)
            if first.format != FORMAT or first.keys != len(lines):
                return None
            found = (_LINE.decode(line) for line in lines)
            return {line.digest: Held(line.principal, line.ends_at) for line in found}, age
        except (OSError, ValueError):  # msgspec's errors are ValueErrors
            return None

    def save(self, keys: Sequence[tuple[bytes, Held]]) -> float:
        """All or nothing. Returns how long it took (seconds). Raises OSError."""
        started = time.monotonic()
        draft = self._path.with_name(f".{self._path.name}-{os.urandom(8).hex()}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(_ENCODER.encode(_Head(FORMAT, len(keys))) + b"\n")
                for start in range(0, len(keys), _CHUNK):
                    chunk = [_Line(d, k.principal, k.ends_at) for d, k in keys[start : start + _CHUNK]]
                    file.write(_ENCODER.encode_lines(chunk))
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return time.monotonic() - started

    def touch(self) -> None:
        """The store has just said that these are still the keys. Raises OSError."""
        os.utime(self._path)
