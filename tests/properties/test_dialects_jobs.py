"""Job dialects and anything at all: a request is read or refused, an answer is a task or the provider's failure; never an
exception, never a negative count."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.dialects.jobs import EncodedJob, Marks
from trunkline.dialects.registry import JOB_DIALECTS
from trunkline.types.failure import Failure, FaultClass
from trunkline.types.video import Task

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
WORDS = """
model content prompt seconds duration size resolution ratio seed frames watermark generate_audio input_reference
callback_url service_tier priority tools draft type text image_url url role id status usage completion_tokens video_url
error code message name done response videos bytesBase64Encoded generateVideoResponse items data progress
"""
NAMES = st.sampled_from(WORDS.split())
INNER = st.dictionaries(NAMES, ANY, max_size=4)
SHAPED = st.dictionaries(NAMES, ANY | INNER | st.lists(INNER, max_size=3), max_size=8)
BODIES = (SHAPED | ANY).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=80)


@pytest.mark.parametrize("name", ["openai_videos", "ark_tasks"])
@given(body=BODIES)
def test_a_request_is_read_or_refused(name: str, body: bytes) -> None:
    dialect = JOB_DIALECTS[name]
    found = dialect.decode_create(body, "application/json")
    if isinstance(found, Failure):
        assert found.fault is FaultClass.CLIENT and found.message
        return
    assert found.model and (found.seconds is None or found.seconds == -1 or found.seconds > 0)
    for target in JOB_DIALECTS.values():
        made = target.encode_create(found, "m", Marks(marker="tl-1"))
        assert isinstance(made, EncodedJob | Failure)
        if isinstance(made, Failure):
            assert made.fault is FaultClass.CAPABILITY


@pytest.mark.parametrize("name", list(JOB_DIALECTS))
@given(body=BODIES)
def test_an_answer_is_a_task_or_the_providers_failure(name: str, body: bytes) -> None:
    dialect = JOB_DIALECTS[name]
    for found in (dialect.read_created(body), dialect.read_task(body)):
        assert isinstance(found, Task | Failure)
        if isinstance(found, Failure):
            assert found.fault is FaultClass.TRANSIENT
        elif found.facts.tokens is not None:
            assert found.facts.tokens >= 0
    assert isinstance(dialect.read_tasks(body), tuple | Failure)
    assert dialect.read_error(500, body) is not None


@given(query=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_a_list_is_asked_for_or_refused(query: bytes) -> None:
    for name in ("openai_videos", "ark_tasks"):
        JOB_DIALECTS[name].decode_list(query)


@given(shown=st.text(max_size=50))
def test_an_id_is_ours_or_none(shown: str) -> None:
    for dialect in JOB_DIALECTS.values():
        found = dialect.job_id(shown)
        assert found is None or dialect.shown_id(found) == shown
