"""The vault: the present secret of each credential. Reading one costs a dictionary look-up; files are looked at again at
most once a second, by whoever calls `refresh` (a timer, never the request path)."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

EVERY = 1.0  # seconds between two looks at the files
FILE = "file:"
MAX_BYTES = 64 * 1024  # a secret is a line; whatever is larger is something else

Name = tuple[str, str]  # provider entry, credential


class SecretError(ValueError):
    """A secret cannot be used; the text names the place, never the content."""


class _File:
    """A secret in a file. `seen` is the version that was read last: time, size and inode."""

    __slots__ = ("fallback", "path", "seen")

    def __init__(self, path: str, fallback: str | None) -> None:
        self.path = path
        self.fallback = fallback
        self.seen: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        """Looks before it reads, so that a change in between is seen the next time."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_mtime_ns, found.st_size, found.st_ino) != self.seen

    def read(self) -> str:
        try:
            # Opening a pipe would wait for its writer.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            if self.fallback is not None:
                return self.fallback
            why = getattr(error, "strerror", None) or "the path is not valid"
            raise SecretError(f"the secret file {self.path} cannot be read: {why}") from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise SecretError(f"the secret file {self.path} is not a regular file")
            data = os.read(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(data) > MAX_BYTES:
            raise SecretError(f"the secret file {self.path} is larger than {MAX_BYTES >> 10} KiB")
        secret = _checked(data.decode("latin-1"), f"the secret file {self.path}")
        self.seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        return secret


class Vault:
    """`values` maps (provider, credential) to what the configuration says: the secret, or `file:/path`.

    `fallback` stands in for files that cannot be read (only with the twins). Raises SecretError. A secret is one line
    of printable ASCII: anything else could not stand in a header.
    """

    def __init__(self, values: Mapping[Name, str], fallback: str | None = None) -> None:
        self._current: dict[Name, str] = {}
        self._files: dict[Name, _File] = {}
        self._generation: dict[Name, int] = {}
        self._looked_at = -EVERY
        for name, value in values.items():
            self._generation[name] = 0
            if value.startswith(FILE):
                file = self._files[name] = _File(value[len(FILE) :], fallback)
                self._current[name] = file.read()
            else:
                self._current[name] = _checked(value, f"the secret of providers.{name[0]}, credential '{name[1]}',")

    def __repr__(self) -> str:
        return f"Vault({len(self._current)} secrets)"

    def current(self, provider: str, credential: str) -> str:
        """The secret in force; "" for a provider without one."""
        return self._current.get((provider, credential), "")

    def generation(self, provider: str, credential: str) -> int:
        """How often the secret has changed since the start."""
        return self._generation.get((provider, credential), 0)

    def follow(self, previous: Vault) -> list[tuple[str, str, int]]:
        """Take over from the vault of the configuration before: generations count on, and what has a new secret is
        returned as by `refresh`."""
        renewed: list[tuple[str, str, int]] = []
        for name, secret in self._current.items():
            known = previous._current.get(name)
            if known is None:
                continue
            self._generation[name] += previous._generation[name]
            if secret != known:
                self._generation[name] += 1
                renewed.append((*name, self._generation[name]))
        return renewed

    def refresh(self, now: float) -> list[tuple[str, str, int]]:
        """Re-read files that changed; returns (provider, credential, generation) of each new secret. A file that has
        become unreadable or useless keeps its last good secret. `now`: any clock that does not go backwards."""
        if now - self._looked_at < EVERY:
            return []
        self._looked_at = now
        renewed: list[tuple[str, str, int]] = []
        for name, file in self._files.items():
            if not file.changed():
                continue
            try:
                secret = file.read()
            except (SecretError, OSError):
                continue
            if secret != self._current[name]:
                self._current[name] = secret
                self._generation[name] += 1
                renewed.append((*name, self._generation[name]))
        return renewed


def _checked(text: str, place: str) -> str:
    secret = text.strip()
    if not secret:
        raise SecretError(f"{place} is empty")
    if not (secret.isascii() and secret.isprintable()):
        raise SecretError(f"{place} is not one line of printable ASCII")
    return secret
