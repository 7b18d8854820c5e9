"""Jobs through the real processes: killed at every step (J2), followed by the official SDKs, a large result to a slow reader.

The twin's own ledger is the judge of what was submitted; the store of what became of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from process_rig import Rig, eventually, rss, until  # noqa: F401
from trunkline.ledger.encoding import whole
from trunkline.storage.contract import JobMatch, RecordFilter
from trunkline.storage.open import open_store
from trunkline.types.job import Job

CONFIG = """
providers:
  modelark: {{api_key: acct1~a, base_url: "http://127.0.0.1:{ark}/api/v3"}}
deployments:
  seedance: {{provider: modelark, model: dreamina-seedance-2-0-260128}}
routes:
  video: {{use: [seedance]}}
"""
FAST = "jobs: {poll: {first: 200ms, cap: 1s, rate: 100}, settle_wait: 2s}\n"
WISH = {"model": "video", "prompt": "A lighthouse in fog", "seconds": "4", "size": "1280x720"}

#: Every step between receipt and settlement: (point, how it is reached). Those of the recorder come by themselves.
STEPS = (
    "rows.open.before",
    "rows.open.after",
    "ask.create.before",
    "fetch.sent",
    "ask.create.after",
    "rows.change.before",
    "rows.change.after",
    "ask.get.before",
    "ask.get.after",
    "rows.settle.before",
    "rows.settle.after",
)


class Film(Rig):
    """A gateway whose processes die where a fuse says so."""

    def begin(self, *, extra: str = FAST, workers: int = 1) -> Film:
        fuses = self.directory / "fuses"
        fuses.mkdir()
        self.environment_of_tests = {
            "TRUNKLINE_TEST_FUSES": str(fuses),
            "PYTHONPATH": str(Path(__file__).parent / "crashing"),
        }
        os.environ.update(self.environment_of_tests)
        try:
            self.start(CONFIG, extra=extra, workers=workers)
        finally:
            for name in self.environment_of_tests:
                del os.environ[name]
        return self

    def again(self) -> None:
        os.environ.update(self.environment_of_tests)
        try:
            self.restart()
        finally:
            for name in self.environment_of_tests:
                del os.environ[name]

    def fuse(self, point: str, content: str = "") -> None:
        (self.directory / "fuses" / point).write_text(content)

    def unblown(self) -> list[str]:
        return [f.name for f in (self.directory / "fuses").iterdir() if f.suffix != ".blown"]

    # --- asking ------------------------------------------------------------------------------------------------------
    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(0, None): the connection died."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        said = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, said)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()

    def insist(self, key: str, within: float = 60.0) -> str:
        """Creates as a careful client does: the same Idempotency-Key until there is an answer."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            status, found = self.send("POST", "/v1/videos", WISH, **{"idempotency-key": key})
            if status == 200:
                return str(found["id"])
            assert status in (0, 503, 504), (status, found)
            time.sleep(0.1)
        raise AssertionError("no answer")

    # --- judging -----------------------------------------------------------------------------------------------------
    def twin(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.twins["ark"].port, timeout=10)
        connection.request(method, f"/_twin/{path}", json.dumps(body) if body is not None else None)
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def made(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.twin("GET", "ledger")["videos"]
        return found

    def jobs(self) -> list[Job]:
        store = open_store(f"sqlite:///{self.directory}/store.db")
        try:
            return list(store.list_jobs(JobMatch(hidden=True), limit=10_000)[0])
        finally:
            store.close()

    def settlements(self) -> list[dict[str, Any]]:
        store = open_store(f"sqlite:///{self.directory}/store.db")
        try:
            page = store.query_records(RecordFilter(), None, 10_000)
            return [r for r in map(whole, page.bodies) if r["operation"] == "video_job"]
        finally:
            store.close()

    def open_jobs(self) -> list[Job]:
        return [job for job in self.jobs() if not job.final]

    def answers(self, shown: str) -> bool:
        return self.send("GET", f"/v1/videos/{shown}")[0] == 200

    def judge(self, asked: int) -> None:
        """Nothing lost, nothing made twice, everything ended and settled once."""
        until(lambda: not self.open_jobs(), lambda: f"not ended: {self.open_jobs()}", 60)
        jobs, tasks = self.jobs(), self.made()
        owners = Counter(job.upstream_id for job in jobs if job.upstream_id)
        assert set(owners) == {task["id"] for task in tasks}, "every task belongs to a job, every job's task exists"
        assert set(owners.values()) <= {1}
        assert len(tasks) == asked, "one video for each wish"
        shown = [job for job in jobs if job.state == "succeeded"]
        assert len(shown) == asked
        settled = Counter(record["job"] for record in self.settlements())
        visible = {job.id for job in jobs if job.upstream_id}
        assert {job: settled[job] for job in visible} == dict.fromkeys(visible, 1)
        assert sum(job.cost.nanos for job in shown if job.cost) == asked * (87_300 * 7_000)


@pytest.fixture
def film(tmp_path: Path) -> Any:
    rig = Film(tmp_path)
    yield rig
    rig.close()


def killed_at(film: Film, points: list[tuple[str, str]]) -> None:
    film.twin("PUT", "videos", {"queued_s": 0.1, "running_s": 0.3, "concurrency": 100, "queue": 1000})
    for number, (point, content) in enumerate(points):
        killed_once(film, number, point, content)
    film.judge(len(points))


def killed_once(film: Film, number: int, point: str, content: str) -> None:
    film.fuse(point, content)
    if content == "all":
        status, _ = film.send("POST", "/v1/videos", WISH, **{"idempotency-key": f"wish-{number}"})
        assert status in (0, 200)
        until(lambda: film.process is not None and film.process.poll() is not None, f"all died at {point}", 20)
        film.again()
    shown = film.insist(f"wish-{number}")
    until(lambda: not film.unblown(), f"{point} was reached", 20)
    until(lambda: film.answers(shown), "it answers again", 20)


def test_killed_at_every_step_no_job_is_lost_and_none_is_made_twice(film: Film) -> None:
    """A twentieth of two hundred, and each step at least once."""
    film.begin()
    killed_at(film, [(point, "") for point in STEPS])


def test_the_whole_gateway_killed_between_submission_and_first_look(film: Film) -> None:
    """R19."""
    film.begin()
    killed_at(film, [("ask.create.after", "all"), ("ask.get.before", "all")])


@pytest.mark.soak
def test_two_hundred_kills(film: Film) -> None:
    film.begin()
    dice = random.Random(20261123)
    points = [(STEPS[n % len(STEPS)], "all" if dice.random() < 0.1 else "") for n in range(200)]
    killed_at(film, points)


@pytest.mark.soak
def test_kills_at_random_moments_under_load(film: Film) -> None:
    """Two hundred wishes from four clients while workers and recorder are killed every now and then."""
    film.begin(workers=2)
    film.twin("PUT", "videos", {"queued_s": 0.2, "running_s": 0.5, "concurrency": 100, "queue": 1000})
    over = threading.Event()

    def client(start: int) -> None:
        for number in range(start, 200, 4):
            film.insist(f"wish-{number}", 120)

    def killer() -> None:
        dice = random.Random(7)
        while not over.is_set():
            time.sleep(dice.uniform(0.2, 1.0))
            pids = film.pids(dice.choice(["worker", "recorder"]))
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(dice.choice(pids), signal.SIGKILL)

    clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    killing = threading.Thread(target=killer)
    for thread in (*clients, killing):
        thread.start()
    for thread in clients:
        thread.join()
    over.set()
    killing.join()
    film.judge(200)


# --- a large result, a slow reader -------------------------------------------------------------------------------------
def slowly(film: Film, size: int) -> tuple[int, int]:
    """A result of `size` bytes to a reader that takes a mebibyte, waits, and then takes the rest: what the worker's memory
    grew by meanwhile, and how many bytes came."""
    film.twin("PUT", "videos", {"queued_s": 0.1, "running_s": 0.2, "bytes": size})
    shown = film.insist("large")
    until(lambda: film.send("GET", f"/v1/videos/{shown}")[1]["status"] == "completed", "it is made", 20)
    (worker,) = film.pids("worker")
    film.send("GET", f"/v1/videos/{shown}")
    before = rss(worker)
    connection = http.client.HTTPConnection("127.0.0.1", film.port, timeout=60)
    connection.request("GET", f"/v1/videos/{shown}/content", headers={"authorization": f"Bearer {film.key}"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4")
    count = len(answer.read(1 << 20))
    most = before
    for _ in range(20):  # it reads nothing
        time.sleep(0.05)
        most = max(most, rss(worker))
    while data := answer.read(1 << 20):
        count += len(data)
        if count % (32 << 20) < (1 << 20):
            most = max(most, rss(worker))
    connection.close()
    part = http.client.HTTPConnection("127.0.0.1", film.port, timeout=60)
    said = {"authorization": f"Bearer {film.key}", "range": f"bytes={size - 5}-"}
    part.request("GET", f"/v1/videos/{shown}/content", headers=said)
    ranged = part.getresponse()
    assert (ranged.status, len(ranged.read())) == (206, 5)
    assert ranged.headers["content-range"] == f"bytes {size - 5}-{size - 1}/{size}"
    part.close()
    return most - before, count


def test_a_large_result_to_a_slow_reader_costs_two_mebibytes_at_most(film: Film) -> None:
    film.begin()
    grown, count = slowly(film, 25 << 20)
    assert count == 25 << 20
    assert grown <= 2 << 20


@pytest.mark.soak
def test_500_megabytes_to_a_slow_reader(film: Film) -> None:
    film.begin()
    grown, count = slowly(film, 500_000_000)
    assert count == 500_000_000
    assert grown <= 2 << 20


@pytest.mark.soak
def test_500_megabytes_are_copied_and_served_in_two_mebibytes(film: Film) -> None:
    film.begin(extra="jobs: {copy_media: local, poll: {first: 200ms, cap: 1s}}\n")
    (recorder,) = film.pids("recorder")
    before = rss(recorder)
    grown, count = slowly(film, 500_000_000)
    until(lambda: film.jobs()[0].copy is not None, "it is copied", 60)
    assert film.jobs()[0].copy.size == 500_000_000  # type: ignore[union-attr]
    assert rss(recorder) - before <= 8 << 20
    assert (count, grown <= 4 << 20) == (500_000_000, True)


def test_a_recorder_whose_ledger_dies_of_a_bug_makes_way_for_another(film: Film) -> None:
    film.begin()
    first = film.pids("recorder")
    film.fuse("ledger.bug")
    until(lambda: film.pids("recorder") not in ([], first), "another recorder runs", 15)
    assert film.log.count('"ledger_died"') == 1
    status, _ = film.send("POST", "/v1/videos", WISH)
    assert status == 200
    until(lambda: [r["status"] for r in film.records()] != [], "its successor brings the record", 10)
    assert film.stop() == 0
