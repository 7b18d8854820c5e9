"""Submitted at most once: J3, J4, J10 of reliability.md, failover at creation, refusals. Expected values by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from job_stage import WISH, JobStage, play

CREATE = {"path": "/api/v3/contents/generations/tasks"}


def test_a_video_is_made_followed_and_settled(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        made = await s.create()
        assert made.status == 200
        shown = made.json
        assert (shown["object"], shown["status"], shown["progress"]) == ("video", "queued", 0)
        assert made.headers["x-trunkline-deployment"] == "seedance"
        assert made.headers["x-trunkline-route"] == "video"
        done = await s.until(shown["id"], "completed")
        assert (done["progress"], done["seconds"], done["model"]) == (100, "5", "dreamina-seedance-2-0-260128")
        content = await s.send("GET", f"/v1/videos/{shown['id']}/content")
        assert content.status == 200 and content.body[4:8] == b"ftyp"
        assert content.headers["content-type"] == "video/mp4"
        (task,) = await s.made()
        assert task["state"] == "succeeded" and task["account"] == "acct1"
        # 1280 × 720 × (24 × 5 + 1) / 1024 = 108,900 tokens at 7.0 dollars a million.
        (record,) = s.settlements()
        assert record["outcome"] == "ok"
        assert record["usage"]["output"] == {"tokens": 108_900, "provenance": "provider"}
        assert record["cost"]["reserved_nanos"] == record["cost"]["settled_nanos"] == 762_300_000
        assert record["job"] == s.job().id
        assert record["correction_of"] == s.job().request_id

    play(tmp_path, scene)


def test_a_lost_answer_is_found_in_the_list_and_adopted(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.fault("ark", {"fault": "lost_answer", "match": CREATE, "times": 1})
        made = await s.create()
        assert made.status == 200
        assert len(await s.made()) == 1
        job = s.job()
        assert job.state in ("queued", "running") and job.upstream_id == (await s.made())[0]["id"]
        assert s.said("submission_found")
        s.follow()
        assert (await s.until(made.json["id"], "completed"))["progress"] == 100

    play(tmp_path, scene)


def test_a_submission_that_times_out_is_adopted_if_it_was_made(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.fault("ark", {"fault": "latency:90000", "match": {**CREATE}, "times": 1})
        made = await s.create()
        assert made.status == 200
        assert len(await s.made()) == 1

    play(tmp_path, scene, more="jobs: {create_timeout: 20s}\n")


def test_a_connection_that_dies_before_anything_was_made_is_tried_again(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.fault("ark", {"fault": "reset", "match": CREATE, "times": 1})
        made = await s.create()
        assert made.status == 200
        assert made.headers["x-trunkline-attempts"] == "2"
        assert len(await s.made()) == 1

    play(tmp_path, scene)


def test_where_nothing_can_be_listed_a_lost_answer_stays_unknown_and_is_never_sent_again(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.fault("gemini", {"fault": "lost_answer", "times": 1})
        made = await s.create(model="google", seconds="8")
        assert made.status == 504
        assert made.json["error"]["code"] == "timeout"
        job = s.job()
        assert f"video_{job.id}" in made.json["error"]["message"]
        assert job.state == "unknown"
        await s.long(86_400 + 400)
        assert len(await s.made("gemini")) == 1
        # Nobody can tell: it counts as made. Veo 3.1: 8 s at 0.40 dollars.
        (record,) = s.settlements()
        assert record["outcome"] == "unknown"
        assert record["cost"]["settled_nanos"] == 3_200_000_000
        assert record["cost"]["settled"]["provenance"] == "estimated"

    play(tmp_path, scene)


def test_an_unknown_submission_is_adopted_when_the_list_is_back(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.fault("ark", {"fault": "lost_answer", "match": CREATE, "times": 1})
        creating = asyncio.get_running_loop().create_task(s.create())
        while not await s.made():
            await asyncio.sleep(0.01)
        await s.fault("ark", {"fault": "status:500", "match": CREATE})
        made = await creating
        assert made.status == 504
        assert s.job().state == "unknown"
        await s.heal("ark")
        done = await s.until(f"video_{s.job().id}", "completed")
        assert done["error"] is None
        assert len(await s.made()) == 1
        assert len(s.settlements()) == 1

    play(tmp_path, scene)


def test_one_idempotency_key_one_video_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.fault("ark", {"fault": "latency:300", "match": CREATE})
        headers = {"idempotency-key": "once"}
        answers = await asyncio.gather(*(s.create(headers=headers) for _ in range(50)))
        assert {a.status for a in answers} == {200}
        assert len({a.body for a in answers}) == 1
        assert len(await s.made()) == 1
        s.follow()
        await s.until(answers[0].json["id"], "completed")
        later = await s.create(headers=headers)
        assert later.body == answers[0].body, "also when it is long done"
        other = await s.create(headers=headers, prompt="Another one")
        assert other.status == 422
        assert other.json["error"]["code"] == "idempotency_key_reused"
        assert len(await s.made()) == 1

    play(tmp_path, scene)


def test_what_the_provider_refuses_gives_the_idempotency_key_back(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        headers = {"idempotency-key": "again"}
        await s.fault("ark", {"fault": "status:400", "match": CREATE, "times": 1})
        refused = await s.create(headers=headers)
        assert refused.status == 400
        assert (await s.send("GET", "/v1/videos")).json["data"] == []
        made = await s.create(headers=headers)
        assert made.status == 200
        assert len(await s.made()) == 1

    play(tmp_path, scene)


def test_creation_fails_over_to_veo_and_says_what_was_lost(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.fault("ark", {"fault": "refuse"})
        made = await s.create(model="either", seconds="8", watermark="true")
        assert made.status == 200
        assert made.headers["x-trunkline-deployment"] == "veo"
        assert "watermark" in made.headers["x-trunkline-loss"]
        await s.twin("gemini", "DELETE", "faults?twin=ark")
        s.follow()
        await s.until(made.json["id"], "completed")
        content = await s.send("GET", f"/v1/videos/{made.json['id']}/content")
        assert content.status == 200 and content.body[4:8] == b"ftyp"
        (record,) = s.settlements()
        assert record["outcome"] == "ok_saved"
        assert [a["deployment"] for a in record["attempts"]][-1] == "veo"
        assert "watermark" in [loss["field"] for loss in record["losses"]]
        # 8 s at 0.40 dollars.
        assert record["cost"]["settled_nanos"] == 3_200_000_000

    play(tmp_path, scene)


def test_what_no_candidate_can_do_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        refused = await s.create(seconds="16")
        assert refused.status == 400
        assert refused.json["error"]["code"] == "unsupported_value"
        assert "15" in refused.json["error"]["message"]
        native = await s.task(duration=16)
        assert native.status == 400
        assert native.json["error"]["code"] == "InvalidParameter.UnsupportedParameter"
        assert await s.made() == []
        assert s.jobs() == []

    play(tmp_path, scene)


def test_parameters_in_the_prompt_are_read_clamped_and_counted(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        made = await s.task("A boat --rs 1080p --dur 99 --seed 7", model="spare")
        assert made.status == 200, made.body
        job = s.job()
        assert job.prompt == "A boat"
        # seedance-1-0-pro: 12 s at most. 1920 × 1080 × (24 × 12 + 1) / 1024 = 585,225 tokens at 2.5 dollars a million.
        assert job.estimate is not None and job.estimate.nanos == 1_463_062_500
        s.follow()
        await s.until(made.json["id"], "succeeded")
        (task,) = await s.made()
        assert task["billed_tokens"] == 585_225
        (record,) = s.settlements()
        assert record["cost"]["settled_nanos"] <= record["cost"]["reserved_nanos"]

    play(tmp_path, scene)


def test_a_field_of_the_body_beats_the_prompt(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        made = await s.task("A boat --dur 12 --rs 1080p", model="spare", duration=5, resolution="480p")
        assert made.status == 200, made.body
        assert "--dur 12" in made.headers["x-trunkline-loss"]
        s.follow()
        done = await s.until(made.json["id"], "succeeded")
        assert (done["duration"], done["resolution"]) == (5, "480p")

    play(tmp_path, scene)


def test_without_the_store_nothing_is_sent(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.direct.down = True
        refused = await s.create()
        assert refused.status == 503
        assert "retry-after" in refused.headers
        s.direct.down = False
        assert await s.made() == []
        assert (await s.create()).status == 200

    play(tmp_path, scene)


def test_bad_input_is_named(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        for fields, param in (
            ({"prompt": 7}, "prompt"),
            ({"seconds": "soon"}, "seconds"),
            ({"size": "big"}, "size"),
            ({"model": "nothing"}, "model"),
            ({"callback_url": "http://127.0.0.1/x"}, "callback_url"),
        ):
            refused = await s.create(**fields)
            assert refused.status in (400, 404), (fields, refused.body)
            assert refused.json["error"]["param"] == param, refused.body
        long = await s.create(headers={"idempotency-key": "k" * 256})
        assert long.status == 400 and long.json["error"]["param"] == "idempotency-key"
        assert s.jobs() == []

    play(tmp_path, scene)


def test_the_wish_of_the_tests_is_what_it_seems() -> None:
    assert WISH["size"] == "1280x720"


def test_a_chat_that_asks_for_a_video_model_is_told_where_to_go(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        refused = await s.rig.ask("openai", "video")
        assert refused.status == 400
        assert refused.json["error"]["code"] == "unsupported_value"
        assert "/v1/videos" in refused.json["error"]["message"]
        chat = await s.create(model="chat")
        assert chat.status == 404, "and no such route"

    play(tmp_path, scene)


def test_a_callers_own_identifier_takes_the_marks_place_and_tasks_of_other_jobs_are_not_taken(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        for count in (1, 2):
            await s.fault("ark", {"fault": "lost_answer", "match": CREATE, "times": 1})
            made = await s.task(safety_identifier="user-7", duration=5)
            assert made.status == 200, made.body
            assert len(await s.made()) == count
        first, second = s.jobs()
        assert first.upstream_id != second.upstream_id
        assert {task["marker"] for task in await s.made()} == {"user-7"}
        assert first.marker == second.marker == ""

    play(tmp_path, scene)


def test_two_that_look_alike_are_one_too_many(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        # The same account is used beside the gateway, for the same user and the same wish.
        body = {"model": "dreamina-seedance-2-0-260128", "content": [{"type": "text", "text": "x"}], "duration": 5}
        await s.elsewhere("/api/v3/contents/generations/tasks", {**body, "safety_identifier": "user-7"}, "acct1~a")
        await s.fault("ark", {"fault": "lost_answer", "match": CREATE, "times": 1})
        made = await s.task("x", safety_identifier="user-7", duration=5)
        assert made.status == 504
        assert s.job().state == "unknown"
        assert len(await s.made()) == 2, "and none was made again"

    play(tmp_path, scene)
