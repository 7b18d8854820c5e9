"""The pepper: the secret under which keys are hashed. It lives outside the store, so that a stolen store tells nothing.

From `TRUNKLINE_PEPPER` (the text itself, or `file:/path`), else from `state_dir/pepper`, made once. With several
machines on one store it has to be the same everywhere: `confirm` finds out before a wrong one turns every key away.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from trunkline.storage.contract import Store

VARIABLE = "TRUNKLINE_PEPPER"
PEPPER_BYTES = 32
#: Fewer different bytes than this is a word or a placeholder, not a secret.
_DISTINCT_BYTES = 8
_CHECK_NAME = "pepper_check"


class PepperError(Exception):
    """No usable pepper; the text says what to do and shows nothing of it."""


def load_pepper(state_dir: Path, environ: Mapping[str, str] = os.environ) -> bytes:
    """Raises PepperError: empty, short or plain secrets are refused, and so is a file that others can read."""
    given = environ.get(VARIABLE)
    if given is None:
        return _judged(_own(state_dir / "pepper"), f"{state_dir / 'pepper'}")
    if given.startswith("file:"):
        try:
            content = Path(given.removeprefix("file:")).read_bytes()
        except OSError as error:
            raise PepperError(f"the file named by {VARIABLE} cannot be read: {error.strerror}") from None
        return _judged(content.rstrip(b"\r\n"), f"the file named by {VARIABLE}")
    return _judged(given.encode(), VARIABLE)


def fingerprint(pepper: bytes) -> bytes:
    """Tells whether two peppers are the same, and nothing else."""
    return hmac.digest(pepper, b"trunkline pepper check", "sha256")


def confirm(store: Store, pepper: bytes) -> None:
    """The first pepper a store meets is written down (as a fingerprint); another one later raises PepperError.

    Raises StoreUnavailable. Without this, a lost pepper file would answer 401 to everybody.
    """
    mine = fingerprint(pepper)
    if not hmac.compare_digest(store.once(_CHECK_NAME, mine), mine):
        raise PepperError(
            f"the keys in the store were made under another pepper: restore state_dir/pepper or set {VARIABLE} to it"
        )


def _own(path: Path) -> bytes:
    """Reads the file; makes it first if need be, so that of several processes all get the same."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f".pepper-{os.urandom(8).hex()}")
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, os.urandom(PEPPER_BYTES))
                os.fsync(fd)
            finally:
                os.close(fd)
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another process was first
            finally:
                draft.unlink()
        if path.stat().st_mode & 0o077:
            raise PepperError(f"{path} can be read by others: chmod 600 it")
        return path.read_bytes()
    except OSError as error:
        raise PepperError(f"{path} cannot be used: {error.strerror}") from None


def _judged(secret: bytes, where: str) -> bytes:
    if len(secret) < PEPPER_BYTES:
        raise PepperError(f"{where} holds {len(secret)} bytes; a pepper needs at least {PEPPER_BYTES} random ones")
    if len(set(secret)) < _DISTINCT_BYTES:
        raise PepperError(f"{where} does not look random; make one with: head -c 32 /dev/urandom | base64")
    return secret
