"""Our own copies of results: taken without ever holding one in memory, whole or not there at all, served with ranges."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

from trunkline.jobs.contract import Ground
from trunkline.jobs.flow import Flow
from trunkline.jobs.media_local import Files, name_of
from trunkline.jobs.ranges import read_range
from trunkline.jobs.relay import Relayed, relay
from trunkline.jobs.s3 import Bucket, Upload
from trunkline.transport.contract import Call, Outbound
from trunkline.types.job import Copy, Job
from trunkline.types.wire import Headers, header

PIECE = 256 * 1024  # bytes read from a file at once


class _Receiver(Protocol):
    """Where a copy goes."""

    async def write(self, data: bytes) -> None: ...

    async def finish(self) -> str: ...

    async def discard(self) -> None: ...


class Copier:
    """One per process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # --- taking ------------------------------------------------------------------------------------------------------
    async def copy(self, job: Job, which: str, source: Outbound) -> Copy | str:
        """Takes a copy of `source`, or says why not. Raises nothing."""
        flow = Flow(self._ground.upstreams, source)
        try:
            status = await flow.head()
            if status != 200:
                return f"the provider answered with status {status}"
            promised = header(flow.headers, b"content-length")
            declared = header(flow.headers, b"content-type") or b""
            kind = declared.decode("latin-1").partition(";")[0].strip() or "video/mp4"
            return await self._taken(job, which, kind, flow.piece, int(promised) if promised else None)
        except OSError as problem:
            return str(problem)
        finally:
            flow.close()

    async def put_inline(self, job: Job, data: bytes, content_type: str) -> Copy | str:
        """A result that came inside the provider's answer."""
        pieces = iter((data, b""))

        async def piece() -> bytes:
            return next(pieces)

        try:
            return await self._taken(job, "video", content_type, piece, len(data))
        except OSError as problem:
            return str(problem)

    async def _taken(
        self, job: Job, which: str, kind: str, piece: Callable[[], Awaitable[bytes]], promised: int | None
    ) -> Copy:
        """Raises OSError; nothing is left then."""
        settings, name = self._ground.settings, name_of(job.id, which, kind)
        place = "s3" if settings.copy_media == "s3" and settings.s3 is not None else "local"
        receiver = self._receiver(place, name, kind)
        try:
            size = 0
            while data := await piece():
                await receiver.write(data)
                size += len(data)
            if size == 0 or (promised is not None and size != promised):
                raise OSError(f"the file has {size} bytes instead of {promised}")
            digest = await receiver.finish()
        except BaseException:
            await _quietly(receiver.discard)
            raise
        now = int(self._ground.wall() * 1e6)
        until = (job.finished_at or now) + round(settings.retention * 1e6)
        key = self._bucket().key_of(name) if place == "s3" else name
        return Copy(place=place, name=key, size=size, sha256=digest, content_type=kind, at=now, until=until)

    def _receiver(self, place: str, name: str, kind: str) -> _Receiver:
        if place == "s3":
            bucket = self._bucket()
            return Upload(bucket, bucket.key_of(name), kind)
        return _File(self._files(), name)

    def _files(self) -> Files:
        settings = self._ground.settings
        return Files(settings.media_dir or os.path.join(self._ground.state_dir, "media"))

    def _bucket(self) -> Bucket:
        settings = self._ground.settings.s3
        if settings is None:
            raise OSError("no bucket is configured")
        return Bucket(self._ground, settings)

    # --- letting go --------------------------------------------------------------------------------------------------
    async def drop(self, copy: Copy) -> None:
        """Never raises: what cannot be removed now is only a file too many."""
        try:
            if copy.place == "s3":
                await self._bucket().delete(copy.name)
            else:
                await asyncio.get_running_loop().run_in_executor(None, self._files().delete, copy.name)
        except (OSError, ValueError) as problem:
            self._ground.log("copy_not_dropped", {"place": copy.place, "problem": str(problem)[:200]})

    async def sweep(self, now: float) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._files().sweep, now)

    # --- serving -----------------------------------------------------------------------------------------------------
    async def serve(self, copy: Copy, call: Call, wanted: bytes | None, headers: Headers) -> Relayed:
        """Streams a copy to a client; `wanted` is its Range header."""
        headers = [*headers, (b"etag", f'"{copy.sha256}"'.encode())]
        if copy.place == "s3":
            try:
                extra: Headers = [(b"range", wanted)] if wanted is not None else []
                source = self._bucket().request("GET", copy.name, extra=extra)
            except OSError as problem:
                return Relayed(problem=str(problem))
            return await relay(self._ground.upstreams, call, source, [h for h in headers if h[0] != b"etag"])
        return await self._from_file(copy, call, wanted, headers)

    async def _from_file(self, copy: Copy, call: Call, wanted: bytes | None, headers: Headers) -> Relayed:
        loop = asyncio.get_running_loop()
        try:
            file = await loop.run_in_executor(None, _opened, self._files(), copy.name)
        except FileNotFoundError:
            return Relayed(gone=True, status=404)
        except (OSError, ValueError) as problem:
            return Relayed(problem=str(problem))
        try:
            size = os.fstat(file).st_size
            part = read_range(wanted, size)
            said: Headers = [(b"content-type", copy.content_type.encode()), (b"accept-ranges", b"bytes"), *headers]
            if part == "unsatisfiable":
                call.respond(416, [*said, (b"content-range", b"bytes */%d" % size)], b"")
                return Relayed(started=True, whole=True, status=416)
            first, length, status = (0, size, 200) if part is None else (part.first, part.length, 206)
            if part is not None:
                said.append((b"content-range", part.header(size)))
            call.start(status, said, length)
            return await _streamed(call, file, first, length, status)
        finally:
            os.close(file)


async def _streamed(call: Call, file: int, first: int, length: int, status: int) -> Relayed:
    """In pieces, each read when the client has taken those before."""
    loop = asyncio.get_running_loop()
    watching = _Watching()
    before, call.watcher = call.watcher, watching
    try:
        at, end = first, first + length
        while at < end and not watching.gone:
            data = await loop.run_in_executor(None, os.pread, file, min(PIECE, end - at), at)
            if not data:
                call.abort()
                return Relayed(started=True, status=status, size=at - first, problem="the file is shorter than it was")
            call.write(data)
            at += len(data)
            while call.blocked and not watching.gone:
                watching.free.clear()
                await watching.free.wait()
    finally:
        if call.watcher is watching:
            call.watcher = before
    if not watching.gone:
        call.end()
    return Relayed(started=True, whole=not watching.gone, status=status, size=at - first)


def _opened(files: Files, name: str) -> int:
    return os.open(files.path(name), os.O_RDONLY | os.O_CLOEXEC)


class _Watching:
    """A `CallWatcher`."""

    def __init__(self) -> None:
        self.gone = False
        self.free = asyncio.Event()

    def on_gone(self) -> None:
        self.gone = True
        self.free.set()

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        self.on_gone()
        return []

    def on_blocked(self) -> None:
        """`call.blocked` says it."""

    def on_writable(self) -> None:
        self.free.set()


class _File:
    """A local file as a receiver, written in threads."""

    def __init__(self, files: Files, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._writing = files.begin(name)

    async def write(self, data: bytes) -> None:
        await self._loop.run_in_executor(None, self._writing.write, data)

    async def finish(self) -> str:
        return await self._loop.run_in_executor(None, self._writing.finish)

    async def discard(self) -> None:
        await self._loop.run_in_executor(None, self._writing.discard)


async def _quietly(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except OSError:
        pass  # what went wrong before is what counts
