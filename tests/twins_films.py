"""A twin that makes videos, on a virtual clock and without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trunkline.transport.virtual import run_virtual
from trunkline.twins.twin import Twin
from trunkline.twins.video_pace import VideoPace, parse_video_pace
from trunkline.twins.wire import TwinName
from trunkline.types.wire import Headers
from twins_stage import ScriptedCall, call_for, rule, twin_of

T = TypeVar("T")

TASKS = "/api/v3/contents/generations/tasks"


class Filmset:
    """Requests to one twin. Keys are sent the way this provider wants them."""

    def __init__(self, name: TwinName) -> None:
        self.name = name
        self.twin: Twin = twin_of(name)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "acme~1", headers: Headers | None = None
    ) -> ScriptedCall:
        """The call once the twin has seen it; it may be answered later."""
        secret = (
            (b"x-goog-api-key", key.encode())
            if self.name == "gemini"
            else (b"authorization", b"Bearer " + key.encode())
        )
        call = call_for(self.name, body, path=path, headers=[secret, *(headers or [])], method=method)
        self.twin.on_request(call)
        return call

    def get(self, path: str, **more: Any) -> ScriptedCall:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> ScriptedCall:
        return self.ask("POST", path, body, **more)

    def task(self, key: str = "acme~1", **fields: Any) -> str:
        """The id of a new ModelArk task."""
        call = self.post(TASKS, film(**fields), key=key)
        assert call.status == 200, call.text
        made: str = call.json["id"]
        return made

    def status(self, task_id: str, key: str = "acme~1") -> str:
        """Its status at ModelArk."""
        found: str = self.get(f"{TASKS}/{task_id}", key=key).json["status"]
        return found

    def pace(self, **fields: Any) -> None:
        pace = parse_video_pace(fields)
        assert isinstance(pace, VideoPace), pace
        self.twin.studio.set_pace(pace)

    def fault(self, *texts: str, **scope: Any) -> None:
        self.twin.board.put([rule(text, **scope) for text in texts], asyncio.get_running_loop().time())

    @property
    def videos(self) -> list[Any]:
        """The ledger's video entries."""
        self.twin.studio.advance()
        return list(self.twin.ledger.videos)


def film(text: str = "A river.", **fields: Any) -> dict[str, Any]:
    """A small ModelArk request."""
    body = {"model": "doubao-seedance-2-0-260128", "content": [{"type": "text", "text": text}], **fields}
    return {name: value for name, value in body.items() if value is not None}


def target(url: str) -> str:
    """Path and query of an address."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def on_set(name: TwinName, play: Callable[[Filmset], Awaitable[T]]) -> T:
    """Runs `play` on a virtual loop."""

    async def main() -> T:
        stage = Filmset(name)
        found = await play(stage)
        await stage.twin.close()
        return found

    return run_virtual(main())


def refused(name: TwinName, path: str, body: Any, **more: Any) -> Any:
    """Status and error of one request that must be refused."""

    async def play(stage: Filmset) -> Any:
        call = stage.post(path, body, **more)
        assert call.status >= 400, call.text
        assert not stage.videos
        return call.status, call.json["error"]

    return on_set(name, play)
