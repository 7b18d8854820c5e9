"""Veo on the Gemini API: long-running operations. Only ever spoken upstream. Source: wire-formats.md C.6."""

from __future__ import annotations

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.gemini_generate import errors
from trunkline.dialects.gemini_videos import request, response
from trunkline.dialects.jobs import EncodedJob, JobDialect, ListAsk, Listing, Marks
from trunkline.types.failure import Failure, invalid
from trunkline.types.job import Job, Links
from trunkline.types.video import Task, VideoRequest
from trunkline.types.wire import DialectName, Headers

_NOT_SERVED = invalid("Veo's own format is not served here: use /v1/videos", status=404, code="not_found")


class GeminiVideos:
    name: DialectName = "gemini_videos"

    # --- client side: nobody speaks it to us
    def decode_create(self, body: bytes, content_type: str) -> VideoRequest | Failure:
        return _NOT_SERVED

    def decode_remix(self, body: bytes, content_type: str) -> str | Failure:
        return _NOT_SERVED

    def decode_list(self, query: bytes) -> ListAsk | Failure:
        return _NOT_SERVED

    def job_id(self, shown: str) -> str | None:
        return None

    def shown_id(self, job_id: str) -> str:
        return job_id

    def encode_created(self, job: Job) -> bytes:
        return b"{}"

    def encode_job(self, job: Job, links: Links, now: float) -> bytes:
        return b"{}"

    def encode_list(self, listing: Listing, now: float) -> bytes:
        return b"{}"

    def encode_deleted(self, job: Job) -> bytes:
        return b"{}"

    def encode_event(self, job: Job, links: Links, event_id: str, now: float) -> bytes:
        return b"{}"

    # --- upstream side
    def encode_create(self, request_: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
        return request.encode_create(request_)

    def encode_poll(self, upstream_id: str) -> bytes:
        return msgspec.json.encode({"operationName": upstream_id})

    def read_created(self, body: bytes) -> Task | Failure:
        return response.read_task(body)

    def read_task(self, body: bytes) -> Task | Failure:
        return response.read_task(body)

    def read_tasks(self, body: bytes) -> tuple[Task, ...] | Failure:
        return ()

    # --- errors, which are those of generateContent (C.5)
    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        return errors.read_error(status, body)

    def error_body(self, failure: Failure, request_id: str) -> bytes:
        return errors.error_body(failure, request_id)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        return errors.error_event(failure, request_id)

    def keepalive(self) -> bytes:
        return b"\n"

    def answer_headers(self, request_id: str) -> Headers:
        return []


_guard: JobDialect = GeminiVideos()
