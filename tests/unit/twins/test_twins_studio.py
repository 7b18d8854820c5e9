"""Tasks on the virtual clock: waiting, running, done, and everything that can come in between."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trunkline.twins.studio import account_of, digest, shown_account
from trunkline.twins.video_pace import parse_video_pace
from trunkline.twins.wire import fingerprint
from twins_films import TASKS, Filmset, film, on_set

DAY = 86_400


def test_a_task_waits_half_a_second_and_runs_for_two() -> None:
    async def play(stage: Filmset) -> list[str]:
        task = stage.task()
        seen = [stage.status(task)]
        for wait in (0.49, 0.02, 1.98, 0.02):
            await asyncio.sleep(wait)
            seen.append(stage.status(task))
        assert stage.videos[0].polls == 5
        return seen

    assert on_set("ark", play) == ["queued", "queued", "running", "running", "succeeded"]


def test_a_task_says_when_it_was_changed() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=10, running_s=100)
        path = f"{TASKS}/{stage.task(duration=-1)}"
        waiting = stage.get(path).json
        assert (waiting["seed"], waiting["duration"], waiting["updated_at"]) == (-1, -1, waiting["created_at"])
        assert "content" not in waiting and "usage" not in waiting
        await asyncio.sleep(200)
        done = stage.get(path).json
        assert done["duration"] == 5 and 0 <= done["seed"] < 65536
        assert done["updated_at"] - done["created_at"] in (109, 110)

    on_set("ark", play)


def test_only_as_many_run_as_the_account_may_and_the_rest_waits() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=2)
        tasks = [stage.task() for _ in range(5)]
        assert [stage.status(task) for task in tasks] == ["running", "running", "queued", "queued", "queued"]
        await asyncio.sleep(10)
        assert [stage.status(task) for task in tasks] == ["succeeded", "succeeded", "running", "running", "queued"]
        await asyncio.sleep(20)
        assert {stage.status(task) for task in tasks} == {"succeeded"}

    on_set("ark", play)


def test_what_nobody_looked_at_has_happened_at_its_time() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1)
        tasks = [stage.task() for _ in range(3)]
        await asyncio.sleep(25)
        assert [stage.status(task) for task in tasks] == ["succeeded", "succeeded", "running"]
        await asyncio.sleep(4.9)
        assert stage.status(tasks[2]) == "running"
        await asyncio.sleep(0.1)
        assert stage.status(tasks[2]) == "succeeded"

    on_set("ark", play)


def test_other_models_and_other_accounts_have_room_of_their_own() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1)
        first = stage.task()
        other_model = stage.task(model="dreamina-seedance-2-0-260128")
        same_account = stage.task(key="acme~2")
        other_account = stage.task(key="zeta~1")
        assert stage.status(first) == stage.status(other_model) == stage.status(other_account, "zeta~1") == "running"
        assert stage.status(same_account) == "queued"

    on_set("ark", play)


def test_too_many_waiting_tasks_are_refused_and_a_free_place_is_taken() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1, queue=2)
        for _ in range(3):
            stage.task()
        call = stage.post(TASKS, film())
        assert call.status == 429
        error = call.json["error"]
        assert (error["code"], error["type"]) == ("QuotaExceeded", "TooManyRequests")
        assert error["message"].startswith("The request has exceeded the quota. Request id: ")
        assert len(stage.videos) == 3
        stage.task(model="ep-1")
        await asyncio.sleep(10)
        stage.task()

    on_set("ark", play)


def test_a_higher_priority_goes_first() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1)
        tasks = [stage.task(), stage.task(priority=1), stage.task(priority=9), stage.task()]
        await asyncio.sleep(10)
        assert [stage.status(task) for task in tasks] == ["succeeded", "queued", "running", "queued"]
        await asyncio.sleep(20)
        assert [stage.status(task) for task in tasks] == ["succeeded", "succeeded", "succeeded", "running"]

    on_set("ark", play)


@pytest.mark.parametrize("waits", [True, False])
def test_a_task_that_takes_too_long_expires_and_is_not_billed(waits: bool) -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=9999 if waits else 0, running_s=9999, concurrency=1)
        task = stage.task(execution_expires_after=3600)
        await asyncio.sleep(3599)
        assert stage.status(task) == ("queued" if waits else "running")
        await asyncio.sleep(1)
        assert stage.status(task) == "expired"
        assert stage.videos[0].billed_tokens == 0
        stage.pace(queued_s=0, running_s=1, concurrency=1)
        after = stage.task()
        await asyncio.sleep(1)
        assert stage.status(after) == "succeeded"

    on_set("ark", play)


def test_a_share_of_the_tasks_fails_and_is_not_billed() -> None:
    async def play(stage: Filmset) -> None:
        fail = {"code": "InternalServiceError", "message": "Oh.", "share": 0.25}
        stage.pace(queued_s=0, running_s=1, fail=fail)
        tasks = [stage.task() for _ in range(8)]
        await asyncio.sleep(1)
        states = [stage.status(task) for task in tasks]
        assert states.count("failed") == 2 and states.count("succeeded") == 6
        failed = stage.get(f"{TASKS}/{tasks[states.index('failed')]}").json
        assert failed["error"] == {"code": "InternalServiceError", "message": "Oh."}
        assert "content" not in failed and "usage" not in failed
        assert sorted(entry.billed_tokens for entry in stage.videos) == [0, 0] + [108_900] * 6
        assert {entry.billed_seconds for entry in stage.videos} == {None}

    on_set("ark", play)


def test_a_refusal_is_a_task_that_fails() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0)
        stage.fault("refusal")
        task = stage.task()
        stage.twin.board.put([], 0)
        assert stage.get(f"{TASKS}/{task}").json["error"]["code"] == "OutputVideoSensitiveContentDetected"

    on_set("ark", play)


def test_only_what_waits_can_be_called_off() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1)
        runs, waits = stage.task(), stage.task()
        assert stage.ask("DELETE", f"{TASKS}/{waits}").status == 200
        assert stage.status(waits) == "cancelled"
        for task, state in ((runs, "running"), (waits, "cancelled")):
            call = stage.ask("DELETE", f"{TASKS}/{task}")
            assert (call.status, call.json["error"]["code"]) == (403, "OperationDenied.InvalidState")
            assert state in call.json["error"]["message"]
        await asyncio.sleep(10)
        assert stage.ask("DELETE", f"{TASKS}/{runs}").text == ""
        assert stage.get(f"{TASKS}/{runs}").status == 404
        assert stage.ask("DELETE", f"{TASKS}/{runs}").status == 404
        assert [(entry.state, entry.billed_tokens) for entry in stage.videos] == [
            ("succeeded", 108_900),
            ("cancelled", 0),
        ]
        await asyncio.sleep(DAY)
        assert stage.get(f"{TASKS}/{waits}").status == 404

    on_set("ark", play)


def test_a_task_that_was_called_off_gives_its_place_away() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1, queue=1)
        stage.task()
        waits = stage.task()
        stage.ask("DELETE", f"{TASKS}/{waits}")
        third = stage.task()
        await asyncio.sleep(10)
        assert stage.status(third) == "running"

    on_set("ark", play)


def test_records_are_kept_for_seven_days() -> None:
    async def play(stage: Filmset) -> None:
        task = stage.task()
        await asyncio.sleep(7 * DAY - 1)
        assert stage.status(task) == "succeeded"
        assert stage.get(TASKS).json["total"] == 1
        await asyncio.sleep(1)
        assert stage.get(f"{TASKS}/{task}").json["error"]["code"] == "NotFound.Task"
        assert stage.get(TASKS).json == {"total": 0, "items": []}
        assert [entry.id for entry in stage.videos] == [task]

    on_set("ark", play)


# -- the list -------------------------------------------------------------------------------------------------------


def test_the_list_is_paged_and_filtered_newest_first() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10)
        old = [stage.task() for _ in range(3)]
        await asyncio.sleep(10)
        new = [stage.task(model="ep-1"), stage.task(model="seedance-1-5-pro-251215", service_tier="flex")]

        def listed(query: str) -> tuple[int, list[str]]:
            found = stage.get(f"{TASKS}?{query}").json
            return found["total"], [task["id"] for task in found["items"]]

        everything = [new[1], new[0], old[2], old[1], old[0]]
        assert listed("") == (5, everything)
        assert listed("page_num=2&page_size=2") == (5, everything[2:4])
        assert listed("page_num=9&page_size=2") == (5, [])
        assert listed("filter.status=succeeded") == (3, everything[2:])
        assert listed("filter.model=ep-1") == (1, [new[0]])
        assert listed("filter.service_tier=flex") == (1, [new[1]])
        assert listed(f"filter.task_ids={old[0]}&filter.task_ids={new[0]}&filter.task_ids=x") == (2, [new[0], old[0]])
        for query in ("page_num=0", "page_size=501", "page_num=x", "page_size=-1", "filter.status=done"):
            call = stage.get(f"{TASKS}?{query}")
            assert (call.status, call.json["error"]["code"]) == (400, "InvalidParameter")
        assert {entry.polls for entry in stage.videos} == {0}

    on_set("ark", play)


# -- whose tasks ------------------------------------------------------------------------------------------------------


def test_an_account_sees_its_own_tasks_with_every_key_it_has() -> None:
    async def play(stage: Filmset) -> None:
        task = stage.task(key="acme~old")
        assert stage.status(task, key="acme~new") == "queued"
        for stranger in ("zeta~old", "acme", "plain"):
            assert stage.get(f"{TASKS}/{task}", key=stranger).status == 404
            assert stage.ask("DELETE", f"{TASKS}/{task}", key=stranger).status == 404
            assert stage.get(TASKS, key=stranger).json["total"] == 0
        assert stage.get(TASKS, key="acme~new").json["total"] == 1
        assert stage.get(TASKS, key="bad").status == 401
        assert stage.get(f"{TASKS}/{task}", headers=[], key="").status == 401

    on_set("ark", play)


def test_a_revoked_key_is_refused_and_its_successor_is_not() -> None:
    async def play(stage: Filmset) -> None:
        task = stage.task(key="acme~old")
        stage.twin.revoked = frozenset({"acme~old"})
        call = stage.get(f"{TASKS}/{task}", key="acme~old")
        assert (call.status, call.json["error"]["code"]) == (401, "AuthenticationError")
        assert stage.post(TASKS, film(), key="acme~old").status == 401
        assert stage.status(task, key="acme~new") == "queued"

    on_set("ark", play)


def test_the_ledger_names_accounts_and_never_keys() -> None:
    assert account_of("acme~one") == account_of("acme~two") != account_of("acme")
    assert shown_account(account_of("acme~one~two")) == "acme"
    assert shown_account(account_of("sk-secret")) == fingerprint("sk-secret")
    assert digest("A river.") == "4b7528be544cfbaa"  # sha256sum


def test_the_ledger_has_an_entry_for_every_task_until_it_is_cleared() -> None:
    async def play(stage: Filmset) -> None:
        task = stage.task(safety_identifier="mark-1")
        entry = stage.videos[0]
        assert (entry.id, entry.account, entry.model) == (task, "acme", "doubao-seedance-2-0-260128")
        assert (entry.state, entry.marker, entry.polls, entry.downloads, entry.bytes_served) == (
            "queued",
            "mark-1",
            0,
            0,
            0,
        )
        stage.twin.ledger.clear()
        assert stage.videos == []
        assert stage.status(task) == "queued"

    on_set("ark", play)


# -- answers that are lost or late ----------------------------------------------------------------------------------


def test_a_lost_answer_leaves_a_task_behind() -> None:
    async def play(stage: Filmset) -> None:
        stage.fault("lost_answer")
        call = stage.post(TASKS, film())
        assert (call.ended, call.status, call.writes) == ("reset", 0, [])
        assert [entry.state for entry in stage.videos] == ["queued"]
        assert stage.twin.ledger.totals.broken == 1

    on_set("ark", play)


def test_a_lost_answer_can_be_late_too() -> None:
    async def play(stage: Filmset) -> None:
        stage.fault("lost_answer", "latency:3000")
        call = stage.post(TASKS, film())
        assert len(stage.videos) == 1 and call.ended == ""
        await asyncio.sleep(3)
        assert call.ended == "reset" and not call.writes

    on_set("ark", play)


def test_a_lost_answer_to_what_is_refused_leaves_nothing() -> None:
    async def play(stage: Filmset) -> None:
        stage.fault("lost_answer", "status:500")
        assert stage.post(TASKS, film()).ended == "reset"
        stage.fault("reset")
        assert stage.post(TASKS, film()).ended == "reset"
        assert stage.videos == []

    on_set("ark", play)


def test_a_late_answer_comes_after_the_task_was_made() -> None:
    async def play(stage: Filmset) -> None:
        stage.fault("latency:5000")
        call = stage.post(TASKS, film())
        assert len(stage.videos) == 1
        await asyncio.sleep(1)
        call.leave()
        await asyncio.sleep(10)
        assert not call.writes and stage.videos[0].state == "succeeded"

    on_set("ark", play)


@pytest.mark.parametrize("path", [TASKS + "/*", "/api/v3/*", "*"])
def test_faults_strike_the_paths_of_tasks(path: str) -> None:
    async def play(stage: Filmset) -> None:
        task = stage.task()
        stage.fault("throttle", match={"path": path})
        call = stage.get(f"{TASKS}/{task}")
        assert (call.status, call.json["error"]["code"]) == (429, "ModelAccountRpmRateLimitExceeded")

    on_set("ark", play)


def test_faults_for_one_model_strike_the_questions_for_its_tasks() -> None:
    async def play(stage: Filmset) -> None:
        one, other = stage.task(), stage.task(model="ep-1")
        stage.fault("status:500", match={"model": "ep-*"})
        assert stage.get(f"{TASKS}/{other}").status == 500
        assert stage.get(f"{TASKS}/{one}").status == 200

    on_set("ark", play)


# -- the pace -------------------------------------------------------------------------------------------------------


def test_a_new_pace_is_for_new_tasks_but_room_is_for_all() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=10, concurrency=1)
        tasks = [stage.task() for _ in range(3)]
        stage.pace(queued_s=0, running_s=1, concurrency=3)
        assert [stage.status(task) for task in tasks] == ["running"] * 3
        await asyncio.sleep(9.9)
        assert [stage.status(task) for task in tasks] == ["running"] * 3

    on_set("ark", play)


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        ([], "must be an object"),
        ({"queued": 1}, "unknown key 'queued'"),
        ({"queued_s": -1}, "queued_s must be"),
        ({"running_s": float("inf")}, "running_s must be"),
        ({"queued_s": "1"}, "Expected `float`"),
        ({"concurrency": 0}, "at least 1"),
        ({"queue": -1}, "must not be negative"),
        ({"bytes": 100}, "from 4096"),
        ({"fail": {"message": "x"}}, "missing required field `code`"),
        ({"fail": {"code": "x", "share": 2}}, "share"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(pace: Any, words: str) -> None:
    answer = parse_video_pace(pace)
    assert isinstance(answer, str) and words in answer
