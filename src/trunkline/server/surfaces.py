"""Which path is which surface. Exact bytes only: nothing is decoded, folded or normalised before the match, so that
`//`, `%2e`, `..;` and their kin are simply unknown paths (reliability.md K3)."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import msgspec

from trunkline.dialects.contract import Target
from trunkline.types.failure import Failure, Kind, invalid, refused
from trunkline.types.wire import DialectName, Headers, header


class Surface(msgspec.Struct, frozen=True):
    """A matched chat surface. `name` is what records and metrics call it."""

    name: str
    target: Target


class Unmatched(msgspec.Struct, frozen=True):
    """Nothing serves this; `dialect` is the error shape that a client of such a path reads."""

    dialect: DialectName
    failure: Failure
    allow: bytes = b""


_CHAT = Surface("/v1/chat/completions", Target(dialect="openai_chat"))
_ARK_CHAT = Surface("/api/v3/chat/completions", Target(dialect="openai_chat"))
_FIXED = {b"/v1/chat/completions": _CHAT, b"/api/v3/chat/completions": _ARK_CHAT}
_MESSAGES = b"/v1/messages"
_GEMINI = (b"/v1beta/models/", b"/v1/models/")
_VERBS = {b"generateContent": False, b"streamGenerateContent": True}


def match(method: bytes, path: bytes, query: bytes, headers: Headers) -> Surface | Unmatched:
    """`path` and `query` are the raw request target, split at the first `?`."""
    surface = _FIXED.get(path)
    if surface is not None:
        return surface if method == b"POST" else _wrong_method("openai_chat", path)
    if path == _MESSAGES:
        if method != b"POST":
            return _wrong_method("anthropic_messages", path)
        version = header(headers, b"anthropic-version") or b""
        return Surface("/v1/messages", Target(dialect="anthropic_messages", version=version.decode("latin-1")[:32]))
    for prefix in _GEMINI:
        if path.startswith(prefix) and b":" in path:
            return _gemini(method, path, prefix, query)
    return Unmatched(dialect_of(path, headers), _not_found(path))


def dialect_of(path: bytes, headers: Headers) -> DialectName:
    """The error shape for a path that no surface serves."""
    if path.startswith(b"/v1/messages") or header(headers, b"anthropic-version") is not None:
        return "anthropic_messages"
    if path.startswith(b"/v1beta/") or (path.startswith(b"/v1/models/") and b":" in path):
        return "gemini_generate"
    return "openai_chat"


def _gemini(method: bytes, path: bytes, prefix: bytes, query: bytes) -> Surface | Unmatched:
    name, _, verb = path[len(prefix) :].rpartition(b":")
    stream = _VERBS.get(verb)
    if stream is None:
        return Unmatched("gemini_generate", _not_found(path))
    if method != b"POST":
        return _wrong_method("gemini_generate", path)
    if not name or b"/" in name:
        return Unmatched("gemini_generate", _not_found(path))
    try:
        model = unquote_to_bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        return Unmatched("gemini_generate", invalid("the model name in the path is not UTF-8", param="model"))
    version = prefix[1:-8].decode()
    sse = b"alt=sse" in query.split(b"&")
    return Surface(
        f"/{version}/models:{verb.decode()}",
        Target(dialect="gemini_generate", model=model, version=version, stream=stream, sse=sse or not stream),
    )


def _wrong_method(dialect: DialectName, path: bytes) -> Unmatched:
    text = path.decode("latin-1")[:128]
    return Unmatched(dialect, invalid(f"{text} takes POST", status=405, code="method_not_allowed"), b"POST")


def _not_found(path: bytes) -> Failure:
    return refused(
        Kind.UNKNOWN_MODEL,
        f"no such path: {_printable(path)}. This gateway serves POST /v1/chat/completions, POST /v1/messages and "
        "POST /v1beta/models/{model}:generateContent (and :streamGenerateContent)",
        code="not_found",
    )


def _printable(path: bytes) -> str:
    text = path[:128].decode("latin-1")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
