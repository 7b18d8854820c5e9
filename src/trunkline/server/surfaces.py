"""Which path is which surface. Exact bytes only: nothing is decoded, folded or normalised before the match, so that
`//`, `%2e`, `..;` and their kin are simply unknown paths (reliability.md K3)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from trunkline.dialects.contract import Target
from trunkline.types.failure import Failure, Kind, invalid, refused
from trunkline.types.wire import DialectName, Headers, Operation, header


class Surface(msgspec.Struct, frozen=True):
    """A matched surface. `name` is what records and metrics call it. `shown` is the id of a job in the path, as written."""

    name: str
    target: Target
    operation: Operation = "chat"
    shown: str = ""


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
    if path.startswith(_JOBS):
        found = match_job(method, path)
        if found is not None:
            return found
    return Unmatched(dialect_of(path, headers), not_served(path))


_JOBS = (b"/v1/videos", b"/api/v3/contents/", b"/v1/callbacks/")
_VIDEOS = Target(dialect="openai_videos")
_TASKS = Target(dialect="ark_tasks")
_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
#: What stands behind a collection: pattern of the rest of the path, method, operation, name in records.
_Job = tuple[re.Pattern[bytes], dict[bytes, Operation], str]
_VIDEO_PATHS: tuple[_Job, ...] = (
    (re.compile(rb""), {b"POST": "video_create", b"GET": "video_list"}, "/v1/videos"),
    (re.compile(rb"/([^/]+)"), {b"GET": "video_get", b"DELETE": "video_delete"}, "/v1/videos/{id}"),
    (re.compile(rb"/([^/]+)/content"), {b"GET": "video_content"}, "/v1/videos/{id}/content"),
    (re.compile(rb"/([^/]+)/remix"), {b"POST": "video_remix"}, "/v1/videos/{id}/remix"),
)
_TASK_PATHS: tuple[_Job, ...] = (
    (re.compile(rb""), {b"POST": "video_create", b"GET": "video_list"}, "/api/v3/contents/generations/tasks"),
    (
        re.compile(rb"/([^/]+)"),
        {b"GET": "video_get", b"DELETE": "video_delete"},
        "/api/v3/contents/generations/tasks/{id}",
    ),
)
_HINT_PATHS: tuple[_Job, ...] = ((re.compile(rb"/([^/]+)"), {b"POST": "video_callback"}, "/v1/callbacks/jobs/{token}"),)
_COLLECTIONS: tuple[tuple[bytes, Target, tuple[_Job, ...]], ...] = (
    (b"/v1/videos", _VIDEOS, _VIDEO_PATHS),
    (b"/api/v3/contents/generations/tasks", _TASKS, _TASK_PATHS),
    (b"/v1/callbacks/jobs", _TASKS, _HINT_PATHS),
)


def match_job(method: bytes, path: bytes) -> Surface | Unmatched | None:
    """The surfaces of durable jobs. None: none of them."""
    for collection, target, paths in _COLLECTIONS:
        if not path.startswith(collection):
            continue
        rest = path[len(collection) :]
        for pattern, methods, name in paths:
            found = pattern.fullmatch(rest)
            if found is None:
                continue
            operation = methods.get(method)
            if operation is None:
                return _wrong_method(target.dialect, path, b", ".join(methods))
            shown = found[1] if pattern.groups else b""
            if shown and _ID.fullmatch(shown) is None:
                return None
            return Surface(name, target, operation, shown.decode())
    return None


def dialect_of(path: bytes, headers: Headers) -> DialectName:
    """The error shape for a path that no surface serves."""
    if path.startswith(b"/v1/videos"):
        return "openai_videos"
    if path.startswith((b"/api/v3/contents", b"/v1/callbacks/")):
        return "ark_tasks"
    if path.startswith(b"/v1/messages") or header(headers, b"anthropic-version") is not None:
        return "anthropic_messages"
    if path.startswith(b"/v1beta/") or (path.startswith(b"/v1/models/") and b":" in path):
        return "gemini_generate"
    return "openai_chat"


def _gemini(method: bytes, path: bytes, prefix: bytes, query: bytes) -> Surface | Unmatched:
    name, _, verb = path[len(prefix) :].rpartition(b":")
    stream = _VERBS.get(verb)
    if stream is None:
        return Unmatched("gemini_generate", not_served(path))
    if method != b"POST":
        return _wrong_method("gemini_generate", path)
    if not name or b"/" in name:
        return Unmatched("gemini_generate", not_served(path))
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


def _wrong_method(dialect: DialectName, path: bytes, allow: bytes = b"POST") -> Unmatched:
    text = path.decode("latin-1")[:128]
    message = f"{text} takes {allow.decode()}"
    return Unmatched(dialect, invalid(message, status=405, code="method_not_allowed"), allow)


def not_served(path: bytes) -> Failure:
    """404 that says what there is."""
    return refused(
        Kind.UNKNOWN_MODEL,
        f"no such path: {_printable(path)}. This gateway serves POST /v1/chat/completions, POST /v1/messages, "
        "POST /v1beta/models/{model}:generateContent (and :streamGenerateContent), /v1/videos and "
        "/api/v3/contents/generations/tasks",
        code="not_found",
    )


def _printable(path: bytes) -> str:
    text = path[:128].decode("latin-1")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
