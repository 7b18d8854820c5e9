"""Providers that run durable tasks (video): where each question about a task goes. Pure.

How their errors read is `Provider.classify`'s affair; what their bodies say is the dialect's. One more provider is one
more class of this shape and one entry in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import quote, urlencode

import msgspec

from trunkline.providers.addresses import AGENT, ANY, PLAIN, path_of
from trunkline.providers.contract import Prepared
from trunkline.types.fleet import Candidate
from trunkline.types.wire import DialectName, Headers

TaskOperation = Literal["create", "get", "list", "delete", "content"]

#: Tasks per page when a lost one is looked for; more than a minute of creates at the published limits (wire-formats D.6).
PAGE = 100


class TaskOutgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a provider. `body` and `content_type` come from the dialect, `task` is the provider's own id.
    `page` counts from 1; `after` is the last task of the page before."""

    candidate: Candidate
    operation: TaskOperation
    secret: str = ""
    body: bytes = b""
    content_type: str = "application/json"
    task: str = ""
    page: int = 1
    after: str = ""

    def __repr__(self) -> str:
        return f"TaskOutgoing({self.operation}, {self.candidate.deployment.name}, {self.task or '-'})"


class TaskProvider(Protocol):
    """`dialect` is what it speaks; `lists`: tasks can be listed, so a lost submission can be found again; `cancels`: a
    task that still waits can be called off; `serves`: the result is fetched from the provider's
    API by id, with the credential (elsewhere the task says a URL)."""

    dialect: DialectName
    lists: bool
    cancels: bool
    serves: bool

    def task(self, outgoing: TaskOutgoing) -> Prepared: ...


def _prepared(outgoing: TaskOutgoing, method: bytes, path: str, authorization: tuple[bytes, bytes] | None) -> Prepared:
    headers: Headers = [ANY if outgoing.operation != "content" else (b"accept", b"*/*"), PLAIN, AGENT]
    if outgoing.body:
        headers.insert(0, (b"content-type", outgoing.content_type.encode("latin-1")))
    if authorization is not None and outgoing.secret:
        headers.append(authorization)
    base = path_of(outgoing.candidate.deployment.base_url)
    return Prepared(
        origin=outgoing.candidate.origin,
        method=method,
        target=(base + path).encode(),
        headers=headers,
        body=outgoing.body,
        framing="plain",
    )


def _bearer(secret: str) -> tuple[bytes, bytes]:
    return (b"authorization", b"Bearer " + secret.encode())


_METHODS: Mapping[TaskOperation, bytes] = {
    "create": b"POST",
    "get": b"GET",
    "list": b"GET",
    "delete": b"DELETE",
    "content": b"GET",
}


class ModelArkTasks:
    """wire-formats.md D.2 to D.4."""

    dialect: DialectName = "ark_tasks"
    lists = True
    cancels = True
    serves = False

    def task(self, outgoing: TaskOutgoing) -> Prepared:
        path = "/contents/generations/tasks"
        if outgoing.task:
            path += "/" + quote(outgoing.task, safe="-._~")
        elif outgoing.operation == "list":
            # By model: what other models made in the meantime must not push ours off the page.
            model = outgoing.candidate.deployment.model
            path += "?" + urlencode({"page_num": outgoing.page, "page_size": PAGE, "filter.model": model})
        return _prepared(outgoing, _METHODS[outgoing.operation], path, _bearer(outgoing.secret))


class OpenAIVideos:
    """wire-formats.md A.8. A video that waits cannot be called off: DELETE is for finished ones."""

    dialect: DialectName = "openai_videos"
    lists = True
    cancels = False
    serves = True

    def task(self, outgoing: TaskOutgoing) -> Prepared:
        path = "/videos"
        if outgoing.task:
            path += "/" + quote(outgoing.task, safe="-._~")
            if outgoing.operation == "content":
                path += "/content"
        elif outgoing.operation == "list":
            query = {"limit": PAGE, "order": "desc"}
            path += "?" + urlencode({**query, "after": outgoing.after} if outgoing.after else query)
        return _prepared(outgoing, _METHODS[outgoing.operation], path, _bearer(outgoing.secret))


class GoogleVideos:
    """wire-formats.md C.6: long-running operations. They can be neither listed nor called off."""

    dialect: DialectName = "gemini_videos"
    lists = False
    cancels = False
    serves = False

    def task(self, outgoing: TaskOutgoing) -> Prepared:
        deployment = outgoing.candidate.deployment
        version = deployment.provider.options.get("api_version", "v1beta")
        verb = "predictLongRunning" if outgoing.operation == "create" else "fetchPredictOperation"
        model = quote(deployment.model.removeprefix("models/"), safe="-._~")
        return _prepared(
            outgoing,
            b"POST",
            f"/{version}/models/{model}:{verb}",
            (b"x-goog-api-key", outgoing.secret.encode()),
        )


_OPENAI = OpenAIVideos()
#: By the kind of provider.
TASKS: dict[str, TaskProvider] = {
    "modelark": ModelArkTasks(),
    "google": GoogleVideos(),
    "openai": _OPENAI,
    "openai_compatible": _OPENAI,
}
