"""Requests for Veo's long-running operations. Only ever spoken upstream. Source: wire-formats.md C.6."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from trunkline.dialects.jobs import EncodedJob
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.video import MODEL_DECIDES, Medium, VideoRequest
from trunkline.types.wire import Loss

_encode = msgspec.json.Encoder().encode
_DATA = re.compile(r"data:([a-z]+/[a-z0-9.+-]+)?(?:;[a-z0-9=-]+)*;base64,", re.I)


def encode_create(request: VideoRequest) -> EncodedJob | Failure:
    """Everything that the caller said and Veo lacks is a loss; an image that cannot be put inside makes it impossible."""
    instance: dict[str, Any] = {"prompt": request.prompt}
    losses: list[Loss] = []
    references: list[dict[str, Any]] = []
    for at, medium in enumerate(request.media):
        if medium.kind != "image":
            losses.append(Loss(f"content[{at}]", f"{medium.kind} references are not available there"))
            continue
        image = _image(medium)
        if image is None:
            return _cannot("an image has to be sent as data: there; a URL is not fetched for you", f"content[{at}]")
        match medium.role:
            case "first_frame":
                instance["image"] = image
            case "last_frame":
                instance["lastFrame"] = image
            case "reference":
                references.append({"image": image, "referenceType": "asset"})
    if references:
        instance["referenceImages"] = references
    if not request.prompt and "image" not in instance:
        return _cannot("a prompt or a first frame is needed there", "prompt")
    parameters = {
        "sampleCount": 1,
        "durationSeconds": None if request.seconds == MODEL_DECIDES else request.seconds,
        "aspectRatio": None if request.ratio == "adaptive" else request.ratio or None,
        "resolution": request.resolution or None,
        "generateAudio": request.audio,
        "negativePrompt": request.negative_prompt or None,
        "seed": None if request.seed == -1 else request.seed,
    }
    losses += [Loss(name, "not available there") for name, said in _lacking(request) if said]
    body = {"instances": [instance], "parameters": {k: v for k, v in parameters.items() if v is not None}}
    return EncodedJob(_encode(body), losses=tuple(losses))


def _lacking(request: VideoRequest) -> tuple[tuple[str, bool], ...]:
    return (
        ("watermark", request.watermark is not None),
        ("camera_fixed", request.camera_fixed is True),
        ("return_last_frame", request.last_frame is True),
        ("draft", request.draft is True),
        ("frames", request.frames is not None),
        ("service_tier", request.tier not in ("", "default")),
        ("execution_expires_after", request.expires_after is not None),
        ("priority", request.priority is not None),
        ("tools", bool(request.tools)),
        ("safety_identifier", bool(request.user)),
        ("ratio", request.ratio == "adaptive"),
        ("duration", request.seconds == MODEL_DECIDES),
    )


def _image(medium: Medium) -> dict[str, str] | None:
    if medium.data:
        return {"bytesBase64Encoded": base64.b64encode(medium.data).decode(), "mimeType": medium.mime or "image/png"}
    found = _DATA.match(medium.url)
    if found is None:
        return None
    data = medium.url[found.end() :]
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
    return {"bytesBase64Encoded": data, "mimeType": (found[1] or "image/png").lower()}


def _cannot(message: str, param: str) -> Failure:
    return Failure(kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param)
