"""The journal between workers and recorder (reliability.md 6.11): all incarnations under `state_dir/journal`.

`JournalWriter` belongs to a worker, `JournalSet` with its readers to the recorder.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from trunkline.storage.frames import INTENT, RECORD, Frame
from trunkline.storage.journal_reader import ASIDE, Batch, JournalReader, Position, keep_aside
from trunkline.storage.journal_writer import JournalSettings, JournalUnwritable, JournalWriter

__all__ = [
    "INTENT",
    "RECORD",
    "Batch",
    "Frame",
    "JournalReader",
    "JournalSet",
    "JournalSettings",
    "JournalUnwritable",
    "JournalWriter",
    "Position",
    "keep_aside",
]

#: An incarnation whose making was cut short is swept away after this long, seconds.
_UNFINISHED = 3600.0


class JournalSet:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._readers: dict[str, JournalReader] = {}

    def readers(self) -> list[JournalReader]:
        """One for each incarnation that stands there now, oldest name first. Raises OSError."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            names = []
        for name in names:
            if name.startswith("."):
                self._sweep(self.root / name)
            elif name != ASIDE and name not in self._readers and (self.root / name).is_dir():
                self._readers[name] = JournalReader(self.root / name)
        for gone in self._readers.keys() - set(names):
            self._readers.pop(gone).close()
        return [self._readers[name] for name in sorted(self._readers)]

    def remove(self, reader: JournalReader) -> None:
        """The incarnation is dead and all of it is safe elsewhere."""
        reader.remove()
        self._readers.pop(reader.name, None)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    @staticmethod
    def _sweep(hidden: Path) -> None:
        """A worker died between making the directory and naming it; it holds nothing."""
        try:
            if time.time() - hidden.stat().st_mtime > _UNFINISHED:
                shutil.rmtree(hidden, ignore_errors=True)
        except OSError:
            pass
