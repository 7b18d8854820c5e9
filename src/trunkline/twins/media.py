"""Results as bytes: ranges, and the store behind signed addresses (wire-formats.md D.3)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator

from trunkline.twins.mp4 import File, film, padded
from trunkline.twins.studio import Studio, Task
from trunkline.twins.wire import CLOSING, CONTENT, Beat, Reply, Request, token
from trunkline.types.wire import Headers

#: Path of the store on the twin's port.
STORE = "/media/"

#: Larger answers are made while they are sent.
WHOLE = 256 * 1024

#: What stands for a token when a result is slowed down.
SLOW_UNIT = 1024

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")
_NAME = re.compile(STORE + r"([0-9a-f]{32})-(.+)\.(mp4|png)")


def video_file(task: Task, width: int, height: int, seconds: float, seed: int) -> File:
    """The result of a task, as large as the pace said when it was made."""
    if task.size is not None:
        return padded(width, height, seconds, seed, task.size)
    head = film(width, height, seconds, seed)
    return File(head, len(head))


def serve(request: Request, task: Task, file: File, extra: Headers) -> Reply:
    """The bytes of a file, or of a range of it (RFC 9110 14.2; several ranges are answered as none)."""
    found = _read_range(request.header(b"range"), file.size)
    headers: Headers = [(b"content-type", file.mime.encode()), (b"accept-ranges", b"bytes"), *extra]
    if found is None:
        return Reply(status=416, headers=[*headers, (b"content-range", b"bytes */%d" % file.size)])
    start, stop, status = found
    if status == 206:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, file.size)))
    size = stop - start
    reply = Reply(status=status, headers=headers, serves=task.entry, free=True, output_tokens=-(-size // SLOW_UNIT))
    if size <= WHOLE:
        reply.body = file.read(start, stop)
    else:
        reply.beats = beats(file.pieces(start, stop))
    return reply


def beats(pieces: Iterable[bytes]) -> Iterator[Beat]:
    """The pieces of an answer that is too large to be made at once. The last one is empty: what strikes "before the
    finish" strikes there."""
    for piece in pieces:
        yield CONTENT, -(-len(piece) // SLOW_UNIT), piece
    yield CLOSING, 0, b""


def _read_range(text: str, size: int) -> tuple[int, int, int] | None:
    """Start, stop and status; None when nothing of the file is in the range."""
    found = _RANGE.fullmatch(text.replace(" ", ""))
    if found is None:
        return 0, size, 200
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(0, size - int(suffix)), size
    else:
        start, stop = int(first), size if not last else int(last) + 1
        if last and int(last) < start:
            return 0, size, 200
    stop = min(stop, size)
    return (start, stop, 206) if start < stop else None


# -- signed addresses -------------------------------------------------------------------------------------------


def signed_url(studio: Studio, task: Task, kind: str) -> str:
    """Where the result is (`kind` is mp4 or png) while it is valid; for GET only."""
    return f"{studio.url()}{_path(studio, task, kind)}?X-Expires={_expires(studio, task)}&X-Signature=" + _signature(
        studio, task, kind
    )


def task_of(studio: Studio, path: str) -> tuple[Task, str] | None:
    """The task behind a path of the store, and the kind of file."""
    found = _NAME.fullmatch(path)
    task = studio.peek(found[2]) if found is not None else None
    if found is None or task is None or task.state != "succeeded" or path != _path(studio, task, found[3]):
        return None
    return task, found[3]


def refused(studio: Studio, request: Request, task: Task, kind: str) -> tuple[int, str, str] | None:
    """Why the store does not give the file away: status, code, message."""
    if request.method != "GET":
        return 403, "AccessDenied", "The address was signed for GET."
    good = hmac.compare_digest(
        request.query.get("X-Signature", "").encode("latin-1", "replace"), _signature(studio, task, kind).encode()
    )
    if not good or request.query.get("X-Expires") != str(_expires(studio, task)):
        return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the one you provided."
    if studio.now() >= task.valid_until:
        return 403, "AccessDenied", "Request has expired."
    return None


def store_error(request: Request, status: int, code: str, message: str) -> Reply:
    """As object stores word it."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
    text += f"<RequestId>{request.id}</RequestId></Error>"
    return Reply(status=status, headers=[(b"content-type", b"application/xml")], body=text.encode())


def _path(studio: Studio, task: Task, kind: str) -> str:
    return f"{STORE}{token(f'{studio.nonce} media {task.id}', 32)}-{task.id}.{kind}"


def _expires(studio: Studio, task: Task) -> int:
    """Seconds since 1970; the store itself is exact to the millisecond."""
    return int(studio.epoch(task.valid_until))


def _signature(studio: Studio, task: Task, kind: str) -> str:
    return token(f"{studio.nonce} signature {task.id} {kind} {_expires(studio, task)}", 64)
