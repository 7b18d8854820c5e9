"""Parts of a content, to and from the hub; ids for calls that came without one. Source: wire-formats.md C.2, C.3, E.2."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.gemini_generate.schema import Blob, CallField, FileField, PartField, standard_base64
from trunkline.dialects.pairs import whole
from trunkline.dialects.sse import is_json
from trunkline.types.canonical import Image, Part, Text, Thinking, ToolCall
from trunkline.types.wire import Loss

ORIGIN = "gemini_generate"
#: Passes validation for calls that another model made (C.3); base64 of bytes on the wire.
DUMMY_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
SIGNATURE_LOSS = Loss("thoughtSignature", "means nothing to another provider")

_UNKNOWN = "a part of a kind that has no equivalent"


def once(losses: list[Loss], loss: Loss) -> None:
    if loss not in losses:
        losses.append(loss)


def call_id(seed: str, ordinal: int, call: CallField) -> str:
    """A stable id (25 characters) for call number `ordinal` of the turn that `seed` names: same bytes, same id."""
    text = f"{seed}|{ordinal}|{call.name}|".encode() + bytes(call.args)
    return "call_" + hashlib.sha256(text).hexdigest()[:20]


def arguments_text(call: CallField) -> str:
    """The arguments as they stand on the wire; "" if there are none."""
    return bytes(call.args).decode() if given(call.args) else ""


def arguments_value(part: ToolCall, losses: list[Loss]) -> msgspec.Raw | dict[str, Any]:
    """An object, byte for byte as it was written; anything else is kept under `_raw`."""
    text = whole(part.arguments.strip())
    if not text:
        return {}
    raw = text.encode()
    if raw.startswith(b"{") and is_json(raw):
        return msgspec.Raw(raw)
    losses.append(Loss(f"functionCall.{part.name[:64]}.args", "the arguments were no JSON object; kept under _raw"))
    return {"_raw": text}


def carries(part: PartField) -> bool:
    """Content: text, a call, media, a server tool's trace, or a signature. An empty text part is preamble."""
    return bool(
        part.text
        or part.thought_signature
        or part.function_call is not None
        or part.inline_data is not None
        or part.file_data is not None
        or given(part.executable_code)
        or given(part.code_execution_result)
        or given(part.tool_call)
        or given(part.tool_response)
    )


def read_part(part: PartField, where: str, losses: list[Loss]) -> Part | None:
    """Everything but calls and results. `where` names the part in a loss."""
    if part.thought_signature and not part.thought:
        once(losses, SIGNATURE_LOSS)
    if given(part.video_metadata) or given(part.media_resolution):
        losses.append(Loss(f"{where}.mediaResolution", "no equivalent"))
    if part.text is not None:
        if part.thought:
            return Thinking(text=part.text, signature=part.thought_signature, origin=ORIGIN)
        return Text(part.text) if part.text else None
    if part.inline_data is not None:
        return read_blob(part.inline_data, f"{where}.inlineData", losses)
    if part.file_data is not None:
        return read_file(part.file_data, f"{where}.fileData", losses)
    if not part.thought_signature:
        losses.append(Loss(where, _unknown(part)))
    return None


def read_call(part: PartField, call: CallField, id: str) -> ToolCall:
    return ToolCall(call.id or id, call.name or "", arguments_text(call), part.thought_signature)


def read_blob(blob: Blob, where: str, losses: list[Loss]) -> Image | None:
    media = (blob.mime_type or "").lower()
    if not media.startswith("image/"):
        losses.append(Loss(where, f"{media[:64] or 'data without a type'} has no equivalent"))
        return None
    data = standard_base64(blob.data or "")
    if data is None:
        losses.append(Loss(where, "the data is not base64"))
        return None
    return Image(media_type=media, data=data)


def read_file(file: FileField, where: str, losses: list[Loss]) -> Image | None:
    """Only a picture on the open web means something to another provider; files belong to theirs (E.2)."""
    uri, media = file.file_uri or "", (file.mime_type or "").lower()
    foreign = uri.startswith(("https://", "http://")) and "googleapis.com/" not in uri and "youtu" not in uri
    if foreign and (not media or media.startswith("image/")):
        return Image(url=uri, media_type=media or None)
    losses.append(Loss(where, "files belong to their provider"))
    return None


def _unknown(part: PartField) -> str:
    for name, value in (
        ("executableCode", part.executable_code),
        ("codeExecutionResult", part.code_execution_result),
        ("toolCall", part.tool_call),
        ("toolResponse", part.tool_response),
    ):
        if given(value):
            return f"{name} has no equivalent"
    return _UNKNOWN
