"""Real processes killed while they write, a real full disk, and a recorder killed while it ships: nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.ledger.recorder import Recorder
from trunkline.storage.contract import RecordFilter
from trunkline.storage.journal import INTENT, JournalReader, JournalSet
from trunkline.storage.open import open_store

WORKER = """
    import asyncio, os, sys
    from pathlib import Path
    from trunkline.ledger.journal import Ledger
    from trunkline.storage.journal import JournalSettings, JournalWriter
    from trunkline.types.record import Intent, Record

    directory, durability, segment = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    def intent(name):
        words = dict.fromkeys("key_id user team organisation feature dialect operation alias route".split(), "")
        return Intent(id=name, started_at=1, worker=0, snapshot=1, stream=False, deployment="gpt", provider="openai",
                      model="m", credential_id="c", body_bytes=1, input_tokens=7, **words)

    async def main():
        loop = asyncio.get_running_loop()
        settings = JournalSettings(segment_bytes=segment, reserve_bytes=4 * segment)
        ledger = Ledger(JournalWriter(directory, settings), loop, durability)
        number = 0
        while True:
            for _ in range(20):
                name = f"{number:08d}"
                ledger.intent(name, lambda name=name: intent(name))
                if number % 10:
                    record = Record(id=name, started_at=1, outcome="ok", status=200, alias="x" * 200)
                    ledger.settle(name, lambda record=record: record, (lambda name=name: os.write(1, f"{name}\\n".encode())))
                number += 1
            await asyncio.sleep(0.001)
            if durability == "relaxed":
                ledger.flush()
                os.write(1, f"flushed {number}\\n".encode())

    asyncio.run(main())
"""


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def kill_after(process: subprocess.Popen[bytes], lines: int) -> list[str]:
    """Everything the process said until it was killed, which is some time after it said so many lines."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    assert said[-1], "the process ended by itself"
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait(timeout=20)
    whole = [line for line in (b"".join(said) + rest).decode().splitlines(keepends=True) if line.endswith("\n")]
    return [line.strip() for line in whole]


def frames_of(directory: Path) -> tuple[set[str], set[str]]:
    """Ids of the records and of the intents in a journal."""
    reader = JournalReader(directory)
    frames = reader.read(1 << 30, 1 << 40).frames
    reader.close()
    found: tuple[set[str], set[str]] = (set(), set())
    for kind, payload in frames:
        found[kind == INTENT].add(json.loads(payload)["id"])
    return found


@pytest.mark.parametrize("lines", [1, 3000, 20_000])
def test_kill_9_loses_no_record_whose_answer_was_released(tmp_path: Path, lines: int) -> None:
    directory = tmp_path / "journal" / "w0-1"
    said = kill_after(start(WORKER, str(directory), "strict", str(256 << 10)), lines)
    records, _ = frames_of(directory)
    assert len(said) >= lines
    assert set(said) <= records


def test_kill_9_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "w0-1"
    process = start(WORKER, str(directory), "relaxed", str(256 << 10))
    assert process.stdout is not None
    said = kill_after(process, 5000)
    flushed = [int(line.split()[1]) for line in said if line.startswith("flushed")]
    records, intents = frames_of(directory)
    expected = range(flushed[-1])
    assert {f"{n:08d}" for n in expected if n % 10} <= records
    assert {f"{n:08d}" for n in expected if n % 10 == 0} <= intents


def test_every_exchange_of_killed_workers_is_in_the_store_once_however_often_it_is_replayed(tmp_path: Path) -> None:
    said: dict[str, list[str]] = {}
    for name in ("w0-1", "w1-1"):
        said[name] = kill_after(start(WORKER, str(tmp_path / "journal" / name), "strict", str(64 << 10)), 1500)
    journals = {name: frames_of(tmp_path / "journal" / name) for name in said}
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    for round_ in range(3):
        # Each time from the beginning, with a new recorder, and not to the end but for the last.
        recorder = Recorder(store, JournalSet(tmp_path / "journal"))
        for name in said:
            (tmp_path / "journal" / name / "acknowledged").unlink(missing_ok=True)
        recorder._journals.readers()
        while recorder.step() and round_ == 2:
            pass
        if not (tmp_path / "journal" / "w0-1").exists():
            break
    counts = store.count_records(RecordFilter())
    records = set().union(*(records for records, _ in journals.values()))
    intents = set().union(*(intents for _, intents in journals.values()))
    # Both workers count from zero, so the ids of one are those of the other: the store knows each once.
    assert counts["ok"] == len(records)
    assert counts["unknown"] == len(intents - records)
    assert sorted(os.listdir(tmp_path / "journal")) in ([], ["aside"])
    store.close()


SHIPPER = """
    import os, sys
    from pathlib import Path
    from trunkline.ledger import recorder
    from trunkline.ledger.recorder import Recorder
    from trunkline.storage.journal import JournalSet
    from trunkline.storage.open import open_store

    recorder.BATCH_ROWS = 150
    root = Path(sys.argv[1])
    shipping = Recorder(open_store(f"sqlite:///{root}/t.db"), JournalSet(root / "journal"))
    while True:
        shipping.step()
        os.write(1, b"step\\n")
"""


def test_a_recorder_killed_again_and_again_ships_everything_once(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "w0-1"
    kill_after(start(WORKER, str(directory), "strict", str(64 << 10)), 6000)
    records, intents = frames_of(directory)
    for steps in (1, 3, 7, 2, 11):
        kill_after(start(SHIPPER, str(tmp_path)), steps)
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    recorder = Recorder(store, JournalSet(tmp_path / "journal"))
    while recorder.step():
        pass
    assert store.count_records(RecordFilter()) == {"ok": len(records), "unknown": len(intents - records)}
    assert not directory.exists()
    store.close()


def test_a_worker_that_lives_is_never_taken_for_dead(tmp_path: Path) -> None:
    directory = tmp_path / "journal" / "w0-1"
    process = start(WORKER, str(directory), "strict", str(64 << 10))
    assert process.stdout is not None
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    recorder = Recorder(store, JournalSet(tmp_path / "journal"))
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        process.stdout.readline()
        recorder.step()
    assert store.count_records(RecordFilter()).keys() == {"ok"}
    assert recorder.damaged_total == 0
    said = kill_after(process, 1)
    while recorder.step():
        pass
    assert {r for r in said if store.find_record(r) is None} == set()
    assert store.count_records(RecordFilter())["unknown"] > 0
    store.close()


FULL_DISK = """
    import asyncio, json, subprocess, sys
    from pathlib import Path
    from trunkline.ledger.journal import Ledger
    from trunkline.storage.journal import JournalReader, JournalSettings, JournalWriter
    from trunkline.types.record import Record

    root = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(root)], check=True)

    async def main():
        loop = asyncio.get_running_loop()
        settings = JournalSettings(reserve_bytes=512 << 10)
        ledger = Ledger(JournalWriter(root / "journal" / "w0-1", settings), loop, sys.argv[2])
        await asyncio.sleep(0.05)
        told = {"at_start": ledger.healthy}
        hog = root / "hog"
        with hog.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

        def settle(name: str, **fields: str) -> None:
            ledger.settle(name, lambda: Record(id=name, started_at=1, **fields))  # type: ignore[arg-type]  # texts

        settled = 0
        while ledger.healthy and settled < 5000:
            for _ in range(10):
                settle(f"{settled:08d}", alias="x" * 1200)
                settled += 1
            await asyncio.sleep(0.003)
        told["settled_until_unhealthy"] = settled
        for _ in range(50):
            settle(f"{settled:08d}")
            settled += 1
        await asyncio.sleep(0.6)
        told["while_full"] = ledger.healthy
        hog.unlink()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if ledger.healthy and not ledger.unwritten:
                break
        told["after"] = ledger.healthy
        ledger.close()
        reader = JournalReader(root / "journal" / "w0-1")
        frames = reader.read(1 << 20, 1 << 30).frames
        told["missing"] = settled - len({json.loads(f.payload)["id"] for f in frames})
        told["damaged"] = reader.damaged
        told["lost"] = ledger.lost_total
        print(json.dumps(told))

    asyncio.run(main())
"""


@pytest.fixture
def own_mounts() -> Iterator[list[str]]:
    """A command prefix under which a test may mount; skipped where the kernel does not let us."""
    prefix = ["unshare", "--mount", "--map-root-user"]
    try:
        allowed = (
            subprocess.run([*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
        )
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this machine allows no private mounts")
    yield prefix


@pytest.mark.parametrize("durability", ["relaxed", "strict"])
def test_a_full_disk_uses_the_reserve_then_refuses_and_loses_nothing(
    tmp_path: Path, own_mounts: list[str], durability: str
) -> None:
    command = [*own_mounts, sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path), durability]
    ran = subprocess.run(command, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr.decode()
    told = json.loads(ran.stdout)
    assert told["at_start"] is True
    assert told["while_full"] is False
    assert told["after"] is True
    assert (told["missing"], told["lost"], told["damaged"]) == (0, 0, 0)
    if durability == "relaxed":
        # 512 KiB of records of about 1.1 KiB went into the reserve before new ones were refused.
        assert 350 <= told["settled_until_unhealthy"] <= 700
    else:
        assert told["settled_until_unhealthy"] <= 200
