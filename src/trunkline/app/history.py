"""Every configuration that was in force: numbered, kept as it was written, readable by this user only. A rollback is a *pin* to
one of them; while it stands, the file is not looked at."""

from __future__ import annotations

import difflib
import shutil
import time
from pathlib import Path

import msgspec

#: Copies kept; the oldest goes first, the pinned one never.
KEPT = 200


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is epoch seconds of when it came into force (first)."""

    number: int
    digest: str
    at: float


class History:
    """`state_dir/snapshots/<number>/` has the files and `entry.json`; `state_dir/pin.json` the pin."""

    def __init__(self, state_dir: Path) -> None:
        self._root = state_dir / "snapshots"
        self._pin = state_dir / "pin.json"

    def keep(self, source: Path, digest: str) -> int:
        """The number of a configuration that comes into force: that of the newest one if it is the same, else a new one with a
        copy of the files. Raises OSError."""
        known = self.entries()
        if known and known[-1].digest == digest:
            return known[-1].number
        number = known[-1].number + 1 if known else 1
        self._root.mkdir(mode=0o700, exist_ok=True)
        draft = self._root / f".{number}.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        for file in files_of(source):
            target = draft / (file.name if source.is_dir() else file.stem + ".yaml")
            target.touch(mode=0o600)
            target.write_bytes(file.read_bytes())
        (draft / "entry.json").write_bytes(msgspec.json.encode(Entry(number=number, digest=digest, at=time.time())))
        draft.rename(self._root / str(number))
        self._prune(known)
        return number

    def entries(self) -> list[Entry]:
        """Oldest first. What cannot be read is left out."""
        found: list[Entry] = []
        for file in self._root.glob("*/entry.json"):
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=Entry))
            except (OSError, msgspec.MsgspecError):
                continue
        return sorted(found, key=lambda entry: entry.number)

    def folder(self, number: int) -> Path | None:
        """Where the files of a snapshot are; None if it is not kept."""
        folder = self._root / str(number)
        return folder if (folder / "entry.json").is_file() else None

    def text(self, number: int) -> list[str] | None:
        folder = self.folder(number)
        return None if folder is None else lines_of(folder)

    # --- the pin -------------------------------------------------------------------------------------------------------
    def pinned(self) -> int | None:
        """The snapshot that is in force whatever the file says; None: the file is."""
        try:
            said = msgspec.json.decode(self._pin.read_bytes(), type=dict[str, float])
            return int(said["number"])
        except (OSError, msgspec.MsgspecError, KeyError):
            return None

    def pin(self, number: int) -> None:
        """Raises OSError."""
        fresh = self._pin.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode({"number": number, "at": time.time()}))
        fresh.replace(self._pin)

    def lift(self) -> bool:
        """False: there was none."""
        there = self._pin.exists()
        self._pin.unlink(missing_ok=True)
        return there

    def _prune(self, known: list[Entry]) -> None:
        pinned = self.pinned()
        for entry in known[: max(0, len(known) + 1 - KEPT)]:
            if entry.number != pinned:
                shutil.rmtree(self._root / str(entry.number), ignore_errors=True)


def files_of(source: Path) -> list[Path]:
    """The files of a configuration, in their order."""
    if not source.is_dir():
        return [source]
    return [file for file in sorted(source.iterdir()) if file.suffix in (".yaml", ".yml")]


def lines_of(source: Path) -> list[str]:
    """A configuration's text, each file under its name if there are several."""
    files = files_of(source)
    found: list[str] = []
    for file in files:
        if len(files) > 1:
            found.append(f"# --- {file.name}\n")
        found += file.read_text("utf-8", "replace").splitlines(keepends=True)
    return found


def difference(before: list[str], after: list[str], names: tuple[str, str]) -> str:
    """A unified diff; "" where nothing differs."""
    return "".join(difflib.unified_diff(before, after, *names))
