"""Where the bytes of a result are fetched from, and with what. A URL in a provider's answer is data: it is guarded, and the
credential goes only to the host that the configuration names (reliability.md K1, K2)."""

from __future__ import annotations

import msgspec

from trunkline.jobs.calls import outbound
from trunkline.jobs.house import JobHouse, candidate_of
from trunkline.providers.addresses import AGENT, PLAIN
from trunkline.providers.tasks import TaskOutgoing
from trunkline.transport.contract import Outbound
from trunkline.types.job import Job
from trunkline.types.wire import Headers

CONNECT = 5.0  # seconds: object stores are far away


def source_of(house: JobHouse, job: Job, which: str, extra: Headers | None = None) -> Outbound | str:
    """The request for the provider's own file, or why there is none. `which` is `video` or `last_frame`; `extra` are
    headers such as Range."""
    extra = extra or []
    candidate = candidate_of(house, job)
    if candidate is None:
        return "the provider of this job is no longer configured"
    settings = candidate.deployment.provider
    secret = house.secrets().current(settings.name, job.credential)
    if house.tasks[job.kind].serves:
        if which != "video":
            return "this provider has no such file"
        made = outbound(
            house, TaskOutgoing(candidate=candidate, operation="content", secret=secret, task=job.upstream_id)
        )
        return msgspec.structs.replace(made, headers=[*made.headers, *extra], connect_timeout=CONNECT)
    url = job.video_url if which == "video" else job.last_frame_url
    if not url:
        return "the provider gave no address for it"
    found = house.read_url(url)
    headers: Headers = [(b"accept", b"*/*"), PLAIN, AGENT, *extra]
    if isinstance(found, str):
        # What is refused as data may still be the very address that the configuration names.
        base = f"{candidate.origin.scheme}://{candidate.origin.authority}/"
        if not url.startswith(base):
            return found
        found = (candidate.origin, url[len(base) - 1 :].encode("ascii", "replace"))
    origin, target = found
    trusted = origin == candidate.origin
    if trusted and job.upstream_dialect == "gemini_videos":
        headers.append((b"x-goog-api-key", secret.encode()))
    return Outbound(
        origin=origin,
        method=b"GET",
        target=target,
        headers=headers,
        body=b"",
        tls=settings.tls,
        proxy=settings.proxy if trusted else None,
        connect_timeout=CONNECT,
        guarded=not trusted,
    )
