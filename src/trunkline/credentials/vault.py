"""The vault: the present secret of each credential. Reading one costs a dictionary look-up; files are looked at again at
most once a second, by whoever calls `refresh`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

EVERY = 1.0
FILE = "file:"
MAX_BYTES = 64 * 1024


class SecretError(ValueError):
    """A secret cannot be read; the text names the place, never the content."""


class _File:
    __slots__ = ("fallback", "path", "seen")

    def __init__(self, path: str, fallback: str | None) -> None:
        self.path = path
        self.fallback = fallback
        self.seen: tuple[int, int, int] | None = None

    def stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> str:
        try:
            data = Path(self.path).read_bytes()[:MAX_BYTES]
        except OSError as error:
            if self.fallback is not None:
                return self.fallback
            raise SecretError(f"the secret file {self.path} cannot be read: {error.strerror}") from error
        text = data.decode("utf-8", "strict").strip()
        if not text or not text.isprintable():
            raise SecretError(f"the secret file {self.path} is empty or not one line of text")
        return text


class Vault:
    """`values` maps (provider, credential) to what the configuration says: the secret, or `file:/path`.

    `fallback` replaces unreadable files (only with the twins).
    """

    def __init__(self, values: Mapping[tuple[str, str], str], fallback: str | None = None) -> None:
        self._current: dict[tuple[str, str], str] = {}
        self._files: dict[tuple[str, str], _File] = {}
        self._generation: dict[tuple[str, str], int] = {}
        self._looked_at = -EVERY
        for name, value in values.items():
            self._generation[name] = 0
            if value.startswith(FILE):
                file = self._files[name] = _File(value[len(FILE) :], fallback)
                file.seen = file.stamp()
                self._current[name] = file.read()
            else:
                self._current[name] = value

    def __repr__(self) -> str:
        return f"Vault({len(self._current)} secrets)"

    def current(self, provider: str, credential: str) -> str:
        """The secret in force; "" for a provider without one."""
        return self._current.get((provider, credential), "")

    def refresh(self, now: float) -> list[tuple[str, str, int]]:
        """Re-read files that changed; returns (provider, credential, generation) of each new secret. A file that has
        become unreadable keeps its last good secret."""
        if now - self._looked_at < EVERY:
            return []
        self._looked_at = now
        changed: list[tuple[str, str, int]] = []
        for name, file in self._files.items():
            stamp = file.stamp()
            if stamp is None or stamp == file.seen:
                continue
            try:
                secret = file.read()
            except (SecretError, UnicodeDecodeError):
                continue
            file.seen = stamp
            if secret != self._current[name]:
                self._current[name] = secret
                self._generation[name] += 1
                changed.append((*name, self._generation[name]))
        return changed
