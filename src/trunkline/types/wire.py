"""Words for bytes on the wire that several rooms share."""

from __future__ import annotations

from typing import Literal

import msgspec

#: Header names are lower-case; order and duplicates are kept as received.
Headers = list[tuple[bytes, bytes]]

DialectName = Literal[
    "openai_chat", "anthropic_messages", "gemini_generate", "openai_videos", "ark_tasks", "gemini_videos"
]

#: Dialects of durable jobs: a request is answered at once, its result comes minutes later.
JOB_DIALECTS: frozenset[DialectName] = frozenset({"openai_videos", "ark_tasks", "gemini_videos"})

#: What the caller asks for; decides with the dialect which code reads the body. (Later issues add more.)
Operation = Literal[
    "chat",
    "video_create",
    "video_get",
    "video_list",
    "video_delete",
    "video_content",
    "video_remix",
    "video_callback",
]

#: How a provider frames its answer body.
Framing = Literal["sse", "plain"]


class Origin(msgspec.Struct, frozen=True, order=True):
    """Where a socket goes. `host` is a name or IP literal without brackets."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Value of the Host header: default ports are left out, IPv6 is bracketed."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


class Loss(msgspec.Struct, frozen=True):
    """One thing a translation could not carry. `field` is the caller's spelling, `reason` a few words."""

    field: str
    reason: str


def header(headers: Headers, name: bytes) -> bytes | None:
    """First value of a header (`name` in lower case), or None."""
    for key, value in headers:
        if key == name:
            return value
    return None
