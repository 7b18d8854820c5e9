"""What every twin's surface shares: the request as it came, the reply as it will be performed, and ids.

A streamed reply is a sequence of *beats*, each one event on the wire. The performance (`perform.py`) counts the
content beats to know where a fault strikes, and bills the tokens of those that left.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from trunkline.twins.ledger import VideoEntry
from trunkline.types.wire import Headers, header

if TYPE_CHECKING:
    from trunkline.twins.studio import Studio

TwinName = Literal["openai", "anthropic", "gemini", "ark"]
TWIN_NAMES: tuple[TwinName, ...] = ("openai", "anthropic", "gemini", "ark")


def twin_name(text: str) -> TwinName:
    """`text` as the name of a twin. Raises ValueError for any other word."""
    for name in TWIN_NAMES:
        if name == text:
            return name
    raise ValueError(f"no twin is called {text!r}; there are {', '.join(TWIN_NAMES)}")


#: Kinds of beats. Preamble and structure carry no output; content is model output that the client would see (the
#: definition of reliability.md); closing carries finish reason and usage; the terminator ends the stream.
STRUCTURE, CONTENT, CLOSING, TERMINATOR = range(4)

#: Kind, output tokens it bills, and the bytes of the event.
Beat = tuple[int, int, bytes]

#: `document` of a request whose body is not JSON.
NOT_JSON: Any = object()


class Request(msgspec.Struct, kw_only=True):
    """One request on a twin. `id` is what the provider would call it; `document` the decoded body or `NOT_JSON`."""

    id: str
    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes
    document: Any
    key: str = ""
    model: str = ""
    stream: bool = False
    raw_query: str = ""

    def header(self, name: bytes) -> str:
        value = header(self.headers, name)
        return "" if value is None else value.decode("latin-1").strip()


class Mood(msgspec.Struct, frozen=True, kw_only=True):
    """How the model feels: a normal answer of a set length (`tokens`), a refusal, or nothing at all."""

    shape: Literal["normal", "refusal", "empty"] = "normal"
    tokens: int | None = None


class Reply(msgspec.Struct, kw_only=True):
    """An answer ready to be performed. With `beats` it is a stream and `body` is unused. `serves` is the video whose
    bytes these are; the tokens of a `free` answer set its pace when it is slowed down, and are not billed."""

    status: int
    headers: Headers
    body: bytes = b""
    beats: Iterator[Beat] | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    serves: VideoEntry | None = None
    free: bool = False


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An error that a fault asks for, in no provider's words. `delay` is the stated wait in seconds, if any."""

    kind: Literal["status", "throttle", "quota", "bad_credential", "context_length"]
    status: int = 0
    delay: float | None = None


class Surface(Protocol):
    """One provider's wire format, both directions."""

    name: TwinName
    body_limit: int
    heartbeat: bytes

    #: Seconds that the provider keeps a result.
    result_s: float

    #: Where its videos are made; given by the twin. Without one, or at a provider without videos, there are no such paths.
    studio: Studio | None

    def request_id(self, serial: str) -> str:
        """What this provider calls the request with that serial."""
        ...

    def identify(self, request: Request) -> None:
        """Fills in `key`, `model` and `stream` as far as they can be read."""
        ...

    def respond(self, request: Request, mood: Mood) -> Reply:
        """Routes, validates and answers."""
        ...

    def trouble(self, request: Request, trouble: Trouble) -> Reply:
        """The provider's own error for a fault."""
        ...

    def too_large(self, request: Request) -> Reply: ...

    def error_event(self, request: Request, *, first: bool) -> bytes:
        """The rest of a stream that fails inside its 200. `first`: no content event went before."""
        ...


def read_request(method: bytes, target: bytes, headers: Headers, body: bytes, request_id: str) -> Request:
    """Splits the target and decodes the body; never fails."""
    path, _, query = target.decode("latin-1").partition("?")
    document: Any = None
    if body:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            document = NOT_JSON
    return Request(
        id=request_id,
        method=method.decode("latin-1"),
        path=unquote(path),
        query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
        headers=headers,
        body=body,
        document=document,
        raw_query=query,
    )


def bearer(request: Request) -> str:
    """The token of an Authorization header, "" when there is none."""
    value = request.header(b"authorization")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bad_key(key: str) -> bool:
    """Twins take every key but those that say that they are bad."""
    return not key or key.startswith("bad")


def token(serial: object, size: int) -> str:
    """`size` hexadecimal digits (at most 64) that look random and depend on `serial` alone."""
    return blake2b(str(serial).encode(), key=b"trunkline twin ids", digest_size=32).hexdigest()[:size]


def fingerprint(key: str) -> str:
    """What the ledger shows of a key: enough to tell keys apart, not enough to use one."""
    return token(key, 12) if key else ""


def decode_base64(data: str) -> bytes | None:
    """Strict standard base64, or None."""
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def break_json(event: bytes) -> bytes:
    """The event with its JSON object cut in half and the framing kept."""
    start = event.find(b"{")
    end = event.rfind(b"}") + 1
    if start < 0 or end <= start:
        return event
    return event[: start + (end - start) // 2] + event[end:]
