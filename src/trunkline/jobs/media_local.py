"""Copies of results as files: one directory, private, names made of job ids and nothing else. Blocking; called in threads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

SUFFIXES = {"video/mp4": ".mp4", "image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
PARTIAL = ".part"
STALE = 3600.0  # seconds after which an unfinished file has been left behind
_NAME = re.compile(r"[0-9a-f]{32}-(?:video|last_frame)(?:\.[a-z0-9]{2,4})?")


def name_of(job_id: str, which: str, content_type: str) -> str:
    return f"{job_id}-{which}{SUFFIXES.get(content_type.partition(';')[0].strip().lower(), '')}"


class Files:
    """Under `root`, sharded by the last two digits of the job's id (the first ones are a clock)."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def path(self, name: str) -> Path:
        """Raises ValueError for what is no name of ours."""
        if _NAME.fullmatch(name) is None:
            raise ValueError("not the name of a copy")
        return self._root / name[30:32] / name

    def begin(self, name: str) -> Writing:
        return Writing(self.path(name))

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path(name).unlink()

    def sweep(self, now: float) -> int:
        """Removes what killed copies have left. Returns how many."""
        swept = 0
        for left in self._root.glob(f"*/*{PARTIAL}-*"):
            with contextlib.suppress(OSError):
                if now - left.stat().st_mtime > STALE:
                    left.unlink()
                    swept += 1
        return swept


class Writing:
    """A file that exists under its name only when it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}{PARTIAL}-{os.getpid()}-{os.urandom(4).hex()}")
        for directory in (path.parent.parent, path.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """SHA-256 in hex."""
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        os.replace(self._partial, self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return self._hash.hexdigest()

    def discard(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with contextlib.suppress(FileNotFoundError):
            self._partial.unlink()
