"""The Veo models, and what they refuse (wire-formats.md C.6). Null counts as absent."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.twins.wire import decode_base64

SECONDS = (4, 6, 8)
RATIOS = ("16:9", "9:16")
SAMPLES = 4
PROMPT_CHARS = 8192

_PICTURES = ("image/png", "image/jpeg", "image/webp")
_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}

_INSTANCE = ("prompt", "image", "lastFrame", "video", "referenceImages")
_PARAMETERS: dict[str, type | tuple[type, ...]] = {
    "sampleCount": int,
    "durationSeconds": int,
    "aspectRatio": str,
    "resolution": str,
    "generateAudio": bool,
    "negativePrompt": str,
    "seed": int,
    "personGeneration": str,
    "enhancePrompt": bool,
    "compressionQuality": str,
    "resizeMode": str,
}


class VeoModel(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    resolutions: tuple[str, ...] = ("720p", "1080p", "4k")


MODELS: dict[str, VeoModel] = {
    model.id: model
    for model in (
        VeoModel(id="veo-3.1-generate-preview"),
        VeoModel(id="veo-3.1-fast-generate-preview"),
        VeoModel(id="veo-3.1-lite-generate-preview", resolutions=("720p", "1080p")),
    )
}


class Veo(msgspec.Struct, frozen=True, kw_only=True):
    """What is going to be made."""

    prompt: str
    seconds: int
    width: int
    height: int
    samples: int
    seed: int | None


def read_order(document: Any, model: VeoModel) -> Veo | str:
    """What a request orders, or the message of INVALID_ARGUMENT."""
    document = {} if document is None else document
    if not isinstance(document, dict):
        return 'Invalid JSON payload received. Unknown name "": Root element must be a message.'
    for name in document:
        if name not in ("instances", "parameters"):
            return f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    instances = document.get("instances")
    if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
        return "instances must hold exactly one object."
    instance = _present(instances[0])
    problem = _check_instance(instance)
    if problem:
        return problem
    given = document.get("parameters")
    if given is not None and not isinstance(given, dict):
        return "parameters must be an object."
    parameters = _present(given or {})
    problem = _check_parameters(parameters, model)
    if problem:
        return problem
    width, height = _SIZES[parameters.get("resolution", "720p")]
    if parameters.get("aspectRatio") == "9:16":
        width, height = height, width
    return Veo(
        prompt=instance.get("prompt", ""),
        seconds=parameters.get("durationSeconds", 8),
        width=width,
        height=height,
        samples=parameters.get("sampleCount", 1),
        seed=parameters.get("seed"),
    )


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _check_instance(instance: dict[str, Any]) -> str:
    """What is wrong with the instance, or ""."""
    for name in instance:
        if name not in _INSTANCE:
            return f"`{name}` isn't supported by this model. Please remove it or refer to the Gemini API documentation."
    prompt = instance.get("prompt")
    if prompt is not None and not isinstance(prompt, str):
        return "prompt must be a string."
    if not prompt and "image" not in instance:
        return "Text prompt or image is required."
    if prompt and len(prompt) > PROMPT_CHARS:
        return "The prompt is too long."
    if "lastFrame" in instance and "image" not in instance:
        return "lastFrame needs an image to start from."
    for name in ("image", "lastFrame"):
        problem = _check_picture(name, instance.get(name))
        if problem:
            return problem
    references = instance.get("referenceImages", [])
    if not isinstance(references, list) or len(references) > 3:
        return "referenceImages must be a list of at most 3."
    for reference in references:
        picture = reference.get("image") if isinstance(reference, dict) else None
        if picture is None:
            return "referenceImages must hold objects with an image."
        problem = _check_picture("referenceImages", picture)
        if problem:
            return problem
    return ""


def _check_picture(name: str, picture: Any) -> str:
    if picture is None:
        return ""
    if not isinstance(picture, dict):
        return f"{name} must be an object."
    data, mime = picture.get("bytesBase64Encoded"), picture.get("mimeType")
    if not isinstance(data, str) or not isinstance(mime, str):
        return f"Input instance with `{name}` should contain both `bytesBase64Encoded` and `mimeType` but not found."
    if mime not in _PICTURES:
        return f"Unsupported mime type {mime} of {name}."
    if not decode_base64(data.replace("-", "+").replace("_", "/")):
        return f"{name} is not base64."
    return ""


def _check_parameters(parameters: dict[str, Any], model: VeoModel) -> str:
    """What is wrong with the parameters, or ""."""
    for name, value in parameters.items():
        kind = _PARAMETERS.get(name)
        if kind is None:
            return f"`{name}` isn't supported by this model. Please remove it or refer to the Gemini API documentation."
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"The value type for `{name}` needs to be {'a number' if kind is int else 'another one'}."
    seconds = parameters.get("durationSeconds", 8)
    if seconds not in SECONDS:
        return f"The number value for `durationSeconds` is out of bound. Please provide one of 4, 6, 8; got {seconds}."
    if not 1 <= parameters.get("sampleCount", 1) <= SAMPLES:
        return f"The number value for `sampleCount` is out of bound. Please provide a value from 1 to {SAMPLES}."
    if parameters.get("aspectRatio", "16:9") not in RATIOS:
        return "`aspectRatio` must be 16:9 or 9:16."
    if parameters.get("resolution", "720p") not in model.resolutions:
        return f"`resolution` must be one of {', '.join(model.resolutions)} for {model.id}."
    if not 0 <= parameters.get("seed", 0) <= 0xFFFF_FFFF:
        return "`seed` must be a number from 0 to 4294967295."
    return ""
