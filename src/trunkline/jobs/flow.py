"""An upstream answer as pieces to be awaited: what arrives waits here, bounded, and the other side is paused meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque

from trunkline.transport.contract import Fault, Outbound, UpstreamCall, Upstreams
from trunkline.types.wire import Headers

HIGH = 512 * 1024  # bytes that wait here at most, about
PATIENCE = 60.0  # seconds without a byte


class Flow:
    """An `UpstreamSink`. `head` first, then `piece` until it returns b"". Raises OSError when the answer is cut or silent."""

    def __init__(self, upstreams: Upstreams, request: Outbound) -> None:
        self.status = 0
        self.headers: Headers = []
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._woken = asyncio.Event()
        self._headed = False
        self._over = False
        self._fault = ""
        self._paused = False
        self._call: UpstreamCall = upstreams.send(request, self)

    async def head(self) -> int:
        """The status."""
        while not self._headed:
            await self._wait()
        return self.status

    async def piece(self) -> bytes:
        while not self._pieces:
            if self._over:
                return b""
            await self._wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._call.resume()
        return data

    async def _wait(self) -> None:
        """For something new. Raises OSError where nothing more will come."""
        if self._fault:
            raise OSError(self._fault)
        self._woken.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._woken.wait()
        except TimeoutError:
            raise OSError("the other side fell silent") from None

    def close(self) -> None:
        if not self._over and not self._fault:
            self._over = True
            self._call.abort()

    # --- UpstreamSink ------------------------------------------------------------------------------------------------
    def on_connected(self) -> None:
        """The head is what counts."""

    def on_head(self, status: int, headers: Headers) -> None:
        self.status, self.headers, self._headed = status, headers, True
        self._woken.set()

    def on_data(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= HIGH and not self._paused:
            self._paused = True
            self._call.pause()
        self._woken.set()

    def on_end(self) -> None:
        self._over = True
        self._woken.set()

    def on_fault(self, fault: Fault) -> None:
        self._fault = f"{fault.kind}: {fault.message}"
        self._woken.set()
