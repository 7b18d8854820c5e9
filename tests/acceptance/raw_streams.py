"""Many raw clients at once: what each saw, down to the last byte."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from gateway_rig import Answer, error_event, has_finish, has_terminator, read_answer, request


@dataclass
class Seen:
    """What a crowd of clients saw."""

    answers: list[tuple[str, bool, Answer]] = field(default_factory=list)  # client, streamed, answer
    broken: list[str] = field(default_factory=list)  # connections that gave no answer at all

    def ids(self) -> set[str]:
        return {answer.headers["x-trunkline-request-id"] for _, _, answer in self.answers}

    def problems(self) -> list[str]:
        """Everything that a caller may not see: errors, cut transfers, streams that end without saying how."""
        found = list(self.broken)
        for client, stream, answer in self.answers:
            whole = answer.status == 200 and answer.clean
            if whole and stream:
                finished = has_finish(client, answer) and has_terminator(client, answer)
                whole = finished != (error_event(client, answer) is not None)
            if not whole:
                found.append(f"{client} stream={stream} {answer.status} clean={answer.clean} {answer.body[-200:]!r}")
        return found

    def cut(self) -> int:
        """Streams that ended in their dialect's error event."""
        return sum(1 for client, stream, a in self.answers if stream and error_event(client, a) is not None)


async def one(seen: Seen, port: int, key: str, client: str, stream: bool, model: str = "assistant") -> None:
    path, headers, body = request(client, model, key, stream, "Tell me something long, in 40 words.")
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {len(data)}\r\nConnection: close\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        try:
            writer.write(head.encode() + b"\r\n" + data)
            seen.answers.append((client, stream, await read_answer(reader)))
        finally:
            writer.close()
    except (OSError, asyncio.IncompleteReadError) as error:
        seen.broken.append(f"{client} stream={stream} {error!r}")


CLIENTS = ("openai", "anthropic", "gemini")


async def crowd(seen: Seen, port: int, key: str, *, clients: int, requests: int) -> None:
    """`clients` workers share `requests` non-streamed calls, in all three dialects."""
    left = iter(range(requests))

    async def worker() -> None:
        for number in left:
            await one(seen, port, key, CLIENTS[number % 3], False)

    await asyncio.gather(*(worker() for _ in range(clients)))


def streams(seen: Seen, port: int, key: str, count: int) -> list[asyncio.Task[None]]:
    """`count` live streams, in all three dialects."""
    return [asyncio.create_task(one(seen, port, key, CLIENTS[n % 3], True)) for n in range(count)]
