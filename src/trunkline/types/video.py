"""What a video request asks for and what an upstream task says, in no provider's words. Durations are whole seconds."""

from __future__ import annotations

from typing import Literal

import msgspec

from trunkline.types.wire import DialectName, Loss

MediumKind = Literal["image", "video", "audio"]
MediumRole = Literal["first_frame", "last_frame", "reference"]

#: `seconds` of a request that lets the model decide.
MODEL_DECIDES = -1


class Medium(msgspec.Struct, frozen=True, kw_only=True):
    """One input beside the text. Either `url` (https:, data: or asset:, as the caller wrote it) or `data` (an upload)."""

    kind: MediumKind
    role: MediumRole
    url: str = ""
    data: bytes = b""
    mime: str = ""
    filename: str = ""

    def __repr__(self) -> str:
        return f"Medium({self.kind}, {self.role})"


class VideoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to make a video. None and "" mean that the caller left it open.

    `model` is the alias as written. `resolution` is `480p` … `4k`, `ratio` such as `16:9` or `adaptive`, `size` the
    caller's own pixel size (`1280x720`), from which the other two were read. `seconds` may be MODEL_DECIDES.
    `callback` is the caller's own URL: it is never sent to a provider. `remix_of` is a job id. `native` is the body as
    the caller sent it, `native_type` its content type: the same dialect edits it, so that fields unknown here survive.
    `lifted` are the fields that were written into the prompt's text (`duration`, `resolution`, … as in ark_tasks): they are
    a person's, not the developer's, and are clamped to what the model can do. `losses` are what the caller's own format
    already lost (inline parameters that a field overrode, and the like).
    """

    dialect: DialectName
    model: str
    prompt: str = ""
    negative_prompt: str = ""
    media: tuple[Medium, ...] = ()
    seconds: int | None = None
    frames: int | None = None
    resolution: str = ""
    ratio: str = ""
    size: str = ""
    seed: int | None = None
    audio: bool | None = None
    watermark: bool | None = None
    camera_fixed: bool | None = None
    last_frame: bool | None = None
    draft: bool | None = None
    draft_task: str = ""
    tier: str = ""
    expires_after: int | None = None
    priority: int | None = None
    tools: tuple[str, ...] = ()
    callback: str = ""
    user: str = ""
    remix_of: str = ""
    native: bytes = b""
    native_type: str = ""
    lifted: frozenset[str] = frozenset()
    losses: tuple[Loss, ...] = ()

    def count(self, kind: MediumKind, role: MediumRole | None = None) -> int:
        return sum(1 for m in self.media if m.kind == kind and role in (None, m.role))

    def __repr__(self) -> str:
        """Without prompt, media and body."""
        return f"VideoRequest({self.model}, {self.resolution or '-'}, {self.ratio or '-'}, {self.seconds})"


#: Where a job stands. `submitting`: a provider may or may not have it. `queued`, `running`: it has. The rest is final,
#: but for `unknown` (a lost submission), which may still turn out to have been made.
JobState = Literal["submitting", "queued", "running", "succeeded", "failed", "expired", "cancelled", "unknown"]

FINAL: frozenset[JobState] = frozenset({"succeeded", "failed", "expired", "cancelled"})


class VideoFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished video is, as far as the provider says. `tokens` is what it bills by (None: it bills by seconds)."""

    tokens: int | None = None
    seconds: int | None = None
    frames: int | None = None
    resolution: str = ""
    ratio: str = ""
    fps: int | None = None
    seed: int | None = None
    audio: bool | None = None
    tier: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream task as one answer of the provider describes it. Times are epoch seconds, None if not said.

    `marker` is whatever came back of the mark that was sent with the request (`safety_identifier` at Ark). `inline` is
    the video itself where the provider puts it into the answer. `native` is the provider's own object, as it came.
    """

    id: str
    state: JobState
    model: str = ""
    marker: str = ""
    prompt: str = ""
    created_at: int | None = None
    updated_at: int | None = None
    expires_at: int | None = None
    progress: int | None = None
    error_code: str = ""
    error_message: str = ""
    video_url: str = ""
    last_frame_url: str = ""
    inline: bytes = b""
    content_type: str = ""
    facts: VideoFacts = VideoFacts()
    native: bytes = b""
