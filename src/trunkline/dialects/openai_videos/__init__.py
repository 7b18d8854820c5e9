"""OpenAI's videos: the shape outlives the service (wire-formats.md A.8), as the front for every video model."""

from __future__ import annotations

from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.jobs import EncodedJob, JobDialect, ListAsk, Listing, Marks
from trunkline.dialects.openai_chat import errors
from trunkline.dialects.openai_videos import request, response
from trunkline.types.failure import Failure
from trunkline.types.job import Job, Links
from trunkline.types.video import Task, VideoRequest
from trunkline.types.wire import DialectName, Headers


class OpenAIVideos:
    name: DialectName = "openai_videos"

    # --- client side
    def decode_create(self, body: bytes, content_type: str) -> VideoRequest | Failure:
        return request.decode_create(body, content_type)

    def decode_remix(self, body: bytes, content_type: str) -> str | Failure:
        return request.decode_remix(body, content_type)

    def decode_list(self, query: bytes) -> ListAsk | Failure:
        return request.decode_list(query)

    def job_id(self, shown: str) -> str | None:
        return request.job_id(shown)

    def shown_id(self, job_id: str) -> str:
        return response.shown_id(job_id)

    def encode_created(self, job: Job) -> bytes:
        return response.encode_created(job)

    def encode_job(self, job: Job, links: Links, now: float) -> bytes:
        return response.encode_job(job, links)

    def encode_list(self, listing: Listing, now: float) -> bytes:
        return response.encode_list(listing)

    def encode_deleted(self, job: Job) -> bytes:
        return response.encode_deleted(job)

    def encode_event(self, job: Job, links: Links, event_id: str, now: float) -> bytes:
        return response.encode_event(job, event_id, now)

    # --- upstream side
    def encode_create(self, request_: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
        return request.encode_create(request_, model, marks)

    def encode_poll(self, upstream_id: str) -> bytes:
        return b""

    def read_created(self, body: bytes) -> Task | Failure:
        return response.read_task(body)

    def read_task(self, body: bytes) -> Task | Failure:
        return response.read_task(body)

    def read_tasks(self, body: bytes) -> tuple[Task, ...] | Failure:
        return response.read_tasks(body)

    # --- errors, which are those of chat completions (A.3)
    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        return errors.read_error(status, body)

    def error_body(self, failure: Failure, request_id: str) -> bytes:
        return errors.error_body(failure)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        return errors.error_event(failure)

    def keepalive(self) -> bytes:
        return b"\n"

    def answer_headers(self, request_id: str) -> Headers:
        return [(b"x-request-id", request_id.encode())]


_guard: JobDialect = OpenAIVideos()
