"""What the headers say about the caller: the presented key and the labels. One pass, allow-listed, length-capped."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Headers

CAP = 64
METADATA_PAIRS = 16
METADATA_VALUE = 256
REQUIRE_CAP = 512
MAX_DEADLINE_MS = 86_400_000


class Caller(msgspec.Struct):
    """`presented` is the virtual key as sent, or None. `labels` go into the exchange and its record."""

    presented: str | None
    labels: dict[str, str]


_AUTH = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key"})
_LABELS = {
    b"user-agent": "client",
    b"x-client-request-id": "client_request_id",
    b"x-trunkline-feature": "feature",
    b"x-trunkline-user": "user",
    b"x-trunkline-session": "session",
    b"x-trunkline-task": "task",
}
_OTHERS = frozenset({b"x-trunkline-metadata", b"x-trunkline-deadline-ms", b"x-trunkline-require", b"traceparent"})
_HEARD = _AUTH | _OTHERS | _LABELS.keys()


def read_caller(headers: Headers, query: bytes) -> Caller | Failure:
    """Bad control headers are the caller's fault and named; nothing of their values is reflected."""
    presented: str | None = None
    labels: dict[str, str] = {}
    for name, value in headers:
        if name not in _HEARD:
            continue
        if name in _AUTH:
            found = _key(name, value)
            if found:
                presented = presented or found
        elif name in _LABELS:
            text = value.decode("latin-1").strip()[:CAP]
            if text:
                labels[_LABELS[name]] = text
        else:
            failure = _control(name, value, labels)
            if failure is not None:
                return failure
    if presented is None and query:
        for pair in query.split(b"&"):
            if pair.startswith(b"key="):
                presented = presented or unquote(pair[4:].decode("latin-1")) or None
    return Caller(presented, labels)


def _key(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name == b"authorization":
        scheme, _, rest = text.partition(" ")
        return rest.strip() if scheme.lower() == "bearer" else ""
    return text


def _control(name: bytes, value: bytes, labels: dict[str, str]) -> Failure | None:
    text = value.decode("latin-1").strip()
    if name == b"traceparent":
        _trace(text, labels)
        return None
    if name == b"x-trunkline-deadline-ms":
        # The length first: int() of thousands of digits raises.
        if not (text.isascii() and text.isdigit() and len(text) <= 12 and 0 < int(text) <= MAX_DEADLINE_MS):
            return invalid(
                "x-trunkline-deadline-ms must be a whole number of milliseconds from 1 to 86400000",
                param="x-trunkline-deadline-ms",
            )
        labels["deadline_s"] = str(int(text) / 1000.0)
        return None
    if name == b"x-trunkline-require":
        return _require(text, labels)
    return _metadata(text, labels)


def _require(text: str, labels: dict[str, str]) -> Failure | None:
    """`region=eu, vendor=google`: only ever narrows. Several lines add up."""
    for pair in text.split(","):
        if _PAIR.fullmatch(pair.strip()) is None:
            return invalid(
                "x-trunkline-require is a list of label=value such as `region=eu, vendor=google`",
                param="x-trunkline-require",
            )
    said = f"{labels['require']},{text}" if "require" in labels else text
    if len(said) > REQUIRE_CAP:
        return invalid(f"x-trunkline-require takes at most {REQUIRE_CAP} characters", param="x-trunkline-require")
    labels["require"] = said
    return None


def _metadata(text: str, labels: dict[str, str]) -> Failure | None:
    pairs = [p for p in (part.strip() for part in text.split(",")) if p]
    # Several lines of this header are one list (RFC 9110, 5.3), with one cap.
    if len(pairs) + sum(1 for name in labels if name.startswith("metadata.")) > METADATA_PAIRS:
        return invalid(f"x-trunkline-metadata takes at most {METADATA_PAIRS} pairs", param="x-trunkline-metadata")
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            return invalid("x-trunkline-metadata is a list such as `team=a, run=7`", param="x-trunkline-metadata")
        labels["metadata." + key.strip()[:CAP]] = value.strip()[:METADATA_VALUE]
    return None


def _trace(text: str, labels: dict[str, str]) -> None:
    """W3C trace context; a malformed one is ignored (a new trace starts)."""
    found = _TRACE.fullmatch(text)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return
    if found["trace"].strip("0") and found["span"].strip("0"):
        labels["trace_id"], labels["span_id"] = found["trace"], found["span"]


_PAIR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\s*=\s*[!-+\--~][ -+\--~]{0,63}")
#: Later versions may add fields after these; version 00 has none.
_TRACE = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?"
)
