"""Followed to the end by the right hands: J1, J5, J6, J7, J9, J12 of reliability.md, resubmission, cancelling."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec

from job_stage import JobStage, play

TASKS = "/api/v3/contents/generations/tasks"


def test_each_job_is_looked_at_with_the_credential_that_made_it(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.pace(queued_s=5, running_s=20)
        first, second = await s.create(), await s.create(model="spare")
        snapshot = s.rig.plane.boot.snapshot
        routes = {**snapshot.routes, "video": snapshot.routes["spare"]}
        changed = msgspec.structs.replace(snapshot, routes=routes, deployments={})
        s.rig.plane.boot.snapshot = s.rig.plane.house.snapshot = changed
        s.follow()
        for made in (first, second):
            await s.until(made.json["id"], "completed")
            content = await s.send("GET", f"/v1/videos/{made.json['id']}/content")
            assert content.status == 200
        tasks = {t["account"]: t for t in await s.made()}
        assert set(tasks) == {"acct1", "acct2"}
        assert all(t["polls"] > 0 and t["downloads"] == 1 for t in tasks.values())
        ledger = (await s.twin("ark", "GET", "ledger"))["requests"]
        assert [r for r in ledger if r["status"] == 404] == [], "nobody asked with the wrong credential"

    play(tmp_path, scene)


def test_a_job_that_nobody_asks_for_is_settled_all_the_same(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.create()
        await asyncio.sleep(60)
        assert s.job().state == "succeeded"
        (record,) = s.settlements()
        assert record["cost"]["settled_nanos"] == 762_300_000

    play(tmp_path, scene)


def test_failed_and_expired_tasks_cost_nothing(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.pace(fail={"code": "OutputVideoSensitiveContentDetected", "message": "no", "share": 1.0})
        made = await s.create()
        failed = await s.until(made.json["id"], "failed")
        assert failed["error"]["code"] == "OutputVideoSensitiveContentDetected"
        await s.pace(fail=None, queued_s=10_000)
        expired = await s.task(execution_expires_after=3600)
        await s.long(4000)
        native = (await s.send("GET", f"{TASKS}/{expired.json['id']}")).json
        assert native["status"] == "expired"
        records = s.settlements()
        assert [r["cost"]["settled_nanos"] for r in records] == [0, 0]
        assert {r["outcome"] for r in records} == {"client_fault", "failed"}

    play(tmp_path, scene)


def test_refused_content_is_not_made_again_elsewhere_but_a_broken_task_is(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.pace(fail={"code": "OutputVideoSensitiveContentDetected", "message": "no", "share": 1.0})
        made = await s.create(model="again")
        await s.until(made.json["id"], "failed")
        assert len(await s.made()) == 1
        await s.pace(fail={"code": "InternalServiceError", "message": "oops", "share": 1.0})
        made = await s.create(model="again")
        await s.pace(fail=None)  # whether a task fails is decided when it is made
        await s.until(made.json["id"], "completed")
        job = s.job(made.json["id"])
        assert (job.deployment, job.resubmitted) == ("lite", 1)
        assert [t["account"] for t in sorted(await s.made(), key=lambda t: t["created_at"])] == [
            "acct1",
            "acct1",
            "acct2",
        ]
        settled = [r for r in s.settlements() if r["job"] == job.id]
        assert len(settled) == 1 and settled[0]["outcome"] == "ok_saved"

    play(tmp_path, scene)


def test_two_minutes_without_the_providers_api(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        await s.pace(queued_s=1, running_s=10)
        made = await s.create()
        await asyncio.sleep(4)
        await s.fault("ark", {"fault": "status:503"})
        before = s.poller.polls_total
        await asyncio.sleep(60)
        shown = await s.send("GET", f"/v1/videos/{made.json['id']}")
        assert shown.status == 200 and shown.json["status"] in ("queued", "in_progress")
        assert 50 <= int(shown.headers["age"]) <= 66
        await asyncio.sleep(60)
        assert s.poller.polls_total - before < 25, "an outage makes no storm"
        await s.fault("ark", {"fault": "throttle:5"})
        await asyncio.sleep(20)
        await s.heal("ark")
        await asyncio.sleep(15.5)  # one interval
        assert (await s.send("GET", f"/v1/videos/{made.json['id']}")).json["status"] == "completed"
        assert len(s.settlements()) == 1

    play(tmp_path, scene)


def test_many_jobs_do_not_storm_when_the_provider_is_back(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.pace(queued_s=1, running_s=5, concurrency=100, queue=100)
        for _ in range(40):
            assert (await s.create()).status == 200
        s.follow()
        await s.fault("ark", {"fault": "status:503"})
        await asyncio.sleep(120)
        await s.heal("ark")
        count = len((await s.twin("ark", "GET", "ledger"))["requests"])
        await asyncio.sleep(15.5 + 5)  # one interval, and forty at ten a second
        after = (await s.twin("ark", "GET", "ledger"))["requests"][count:]
        stamps = sorted(r["at"] for r in after)
        most = max(sum(1 for b in stamps if a <= b < a + 1) for a in stamps)
        assert most <= 12, "ten a second"
        assert {j.state for j in s.jobs()} == {"succeeded"}
        assert len(s.settlements()) == 40

    play(tmp_path, scene)


def test_a_rotated_secret_of_the_same_credential_goes_on_polling(tmp_path: Path) -> None:
    secret = tmp_path / "ark.key"
    secret.write_text("acct1~old")
    config = f"""
providers: {{modelark: {{api_key: "file:{secret}"}}}}
deployments: {{seedance: {{provider: modelark, model: dreamina-seedance-2-0-260128, base_url: "{{modelark}}"}}}}
routes: {{video: {{use: [seedance]}}}}
"""

    async def scene(s: JobStage) -> None:
        await s.pace(queued_s=5, running_s=20)
        s.follow()
        made = await s.create()
        await s.twin("ark", "PUT", "keys", {"revoked": ["acct1~old"]})
        await asyncio.sleep(10)
        assert s.job().state == "queued", "the old key is refused"
        secret.write_text("acct1~new")
        s.rig.plane.boot.vault.refresh(s.rig.loop.time())
        await s.until(made.json["id"], "completed")

    play(tmp_path, scene, config)


def test_a_url_that_has_expired_is_410_without_copies(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        made = await s.create()
        done = await s.until(made.json["id"], "completed")
        assert 86_000 < done["expires_at"] - s.wall() <= 86_400
        await s.long(86_500)
        gone = await s.send("GET", f"/v1/videos/{made.json['id']}/content")
        assert gone.status == 410
        assert "copy_media" not in gone.json["error"]["message"]
        assert "expired" in gone.json["error"]["message"]

    play(tmp_path, scene)


def test_with_copies_the_content_outlives_the_providers_url_and_not_its_retention(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        s.follow()
        made = await s.create()
        await s.until(made.json["id"], "completed")
        first = await s.send("GET", f"/v1/videos/{made.json['id']}/content")
        await asyncio.sleep(600)
        copy = s.job().copy
        assert copy is not None and copy.size == len(first.body)
        native = (await s.send("GET", f"{TASKS}/cgt-{s.job().id}")).json
        assert native["content"]["video_url"].startswith("http://127.0.0.1:")
        assert "/v1/videos/" in native["content"]["video_url"], "our own address"
        await s.long(86_500)
        path = "/" + native["content"]["video_url"].split("/", 3)[3]
        again = await s.rig.send("GET", path, {})
        assert again.status == 200 and again.body == first.body, "good without a key"
        ranged = await s.rig.send("GET", path, {"range": "bytes=4-7"})
        assert (ranged.status, ranged.body) == (206, b"ftyp")
        forged = await s.rig.send("GET", path[:-2] + ("00" if path[-2:] != "00" else "11"), {})
        assert forged.status in (401, 403)
        await s.long(7 * 86_400)
        gone = await s.send("GET", f"/v1/videos/{made.json['id']}/content")
        assert gone.status == 410
        assert list((tmp_path / "state" / "media").rglob("*.mp4")) == []

    play(tmp_path, scene, more="jobs: {copy_media: local, retention: 7d}\n")


def test_a_providers_callback_is_only_a_hint(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        from trunkline.jobs.hints import token_of

        await s.pace(queued_s=1, running_s=4)
        s.follow()
        made = await s.create()
        await asyncio.sleep(2.5)
        token = token_of(s.recorder.ground.pepper, s.job().id)
        lie = {"id": "cgt-1", "status": "succeeded", "content": {"video_url": "https://evil.example/x.mp4"}}
        for body in (lie, lie, {"status": "failed"}):
            told = await s.rig.send("POST", f"/v1/callbacks/jobs/{token}", {}, json.dumps(body).encode())
            assert told.status == 200
        await asyncio.sleep(0.5)
        assert s.job().state in ("queued", "running")
        another = token[:-1] + ("0" if token[-1] != "0" else "1")
        forged = await s.rig.send("POST", f"/v1/callbacks/jobs/{another}", {}, b"{}")
        assert forged.status == 404
        done = await s.until(made.json["id"], "completed")
        assert done["error"] is None
        assert "evil" not in s.job().video_url

    play(tmp_path, scene)


def test_another_key_sees_nothing(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        made = await s.create()
        job = s.job().id
        other = s.new_key()
        for method, path in (
            ("GET", f"/v1/videos/video_{job}"),
            ("DELETE", f"/v1/videos/video_{job}"),
            ("GET", f"/v1/videos/video_{job}/content"),
            ("GET", f"{TASKS}/cgt-{job}"),
            ("DELETE", f"{TASKS}/cgt-{job}"),
        ):
            hidden = await s.send(method, path, key=other)
            assert hidden.status == 404, path
        assert (await s.send("GET", "/v1/videos", key=other)).json["data"] == []
        assert (await s.send("GET", TASKS, key=other)).json == {"total": 0, "items": []}
        assert [v["id"] for v in (await s.send("GET", "/v1/videos")).json["data"]] == [made.json["id"]]

    play(tmp_path, scene)


def test_lists_are_sifted_as_the_sdk_asks(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        first = await s.task()
        await asyncio.sleep(1)
        second = await s.task(model="spare", service_tier="flex")
        assert (first.status, second.status) == (200, 200), second.body

        async def listed(query: str) -> list[str]:
            found = (await s.send("GET", f"{TASKS}?{query}")).json
            assert found["total"] == len(found["items"])
            return [item["id"] for item in found["items"]]

        assert await listed("") == [second.json["id"], first.json["id"]]
        assert await listed("filter.model=video") == [first.json["id"]]
        assert await listed("filter.model=seedance-1-0-pro-250528") == [second.json["id"]]
        assert await listed("filter.service_tier=flex") == [second.json["id"]]
        assert await listed("filter.status=running") == []
        assert await listed(f"filter.task_ids={first.json['id']}") == [first.json["id"]]
        refused = await s.send("GET", f"{TASKS}?filter.status=dancing")
        assert refused.status == 400 and refused.json["error"]["param"] == "filter.status"

    play(tmp_path, scene)


def test_what_waits_can_be_called_off_and_what_runs_is_billed(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        await s.pace(queued_s=30, running_s=20)
        s.follow()
        waiting = await s.task()
        off = await s.send("DELETE", f"{TASKS}/{waiting.json['id']}")
        assert off.status == 200
        assert (await s.send("GET", f"{TASKS}/{waiting.json['id']}")).json["status"] == "cancelled"
        assert s.settlements()[0]["outcome"] == "cancelled"
        assert s.settlements()[0]["cost"]["settled_nanos"] == 0
        running = await s.create()
        await asyncio.sleep(45)
        native = await s.send("DELETE", f"{TASKS}/cgt-{s.job(running.json['id']).id}")
        assert native.status == 400
        gone = await s.send("DELETE", f"/v1/videos/{running.json['id']}")
        assert gone.json == {"id": running.json["id"], "deleted": True, "object": "video.deleted"}
        assert (await s.send("GET", f"/v1/videos/{running.json['id']}")).status == 404
        await asyncio.sleep(60)
        assert s.job(running.json["id"]).cost.nanos == 762_300_000  # type: ignore[union-attr]

    play(tmp_path, scene)
