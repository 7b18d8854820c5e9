"""The recorder process: drains the workers' journals into the store until told to stop, then once more."""

from __future__ import annotations

import signal
import threading

from trunkline.app.boot import Boot
from trunkline.app.log import write
from trunkline.app.orphan import when_orphaned
from trunkline.ledger.recorder import Recorder
from trunkline.storage.journal import JournalSet
from trunkline.storage.open import open_store


def record(boot: Boot) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What draining workers still write stays in their journals for the next start.
    when_orphaned(stop.set)
    store = open_store(boot.store_url)
    recorder = Recorder(store, JournalSet(boot.state_dir / "journal"))
    write("recorder", "info", "ready", {})
    recorder.run(stop)
    while recorder.step():
        pass
    store.close()
    write("recorder", "info", "drained", {})
    return 0
