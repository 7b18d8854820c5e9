"""What headers say about the caller: the key in whichever header the SDK uses, and labels with hard caps."""

from __future__ import annotations

import pytest

from trunkline.server.caller import Caller, read_caller
from trunkline.types.failure import Failure, http_status
from trunkline.types.wire import Headers


def caller(headers: Headers, query: bytes = b"") -> Caller:
    read = read_caller(headers, query)
    assert isinstance(read, Caller)
    return read


def refusal(headers: Headers) -> Failure:
    read = read_caller(headers, b"")
    assert isinstance(read, Failure)
    return read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"authorization", b"Bearer tk-1"),
        (b"authorization", b"bearer   tk-1 "),
        (b"authorization", b"BEARER tk-1"),
        (b"x-api-key", b"tk-1"),
        (b"x-api-key", b"  tk-1 "),
        (b"x-goog-api-key", b"tk-1"),
    ],
)
def test_a_key_is_found_in_the_header_that_the_sdk_uses(name: bytes, value: bytes) -> None:
    assert caller([(name, value)]).presented == "tk-1"


@pytest.mark.parametrize("query", [b"key=tk-1", b"alt=sse&key=tk-1", b"key=&key=tk-1", b"key=tk%2D1"])
def test_a_key_is_found_in_the_query(query: bytes) -> None:
    assert caller([], query).presented == "tk-1"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([], b""),
        ([], b"key="),
        ([], b"Key=tk-1"),
        ([], b"api_key=tk-1"),
        ([(b"authorization", b"")], b""),
        ([(b"authorization", b"Bearer")], b""),
        ([(b"authorization", b"Bearer  ")], b""),
        ([(b"authorization", b"Basic dGstMQ==")], b""),
        ([(b"authorization", b"tk-1")], b""),
        ([(b"x-api-key", b" ")], b""),
        ([(b"cookie", b"key=tk-1")], b""),
        ([(b"proxy-authorization", b"Bearer tk-1")], b""),
    ],
)
def test_nothing_else_is_a_key(headers: Headers, query: bytes) -> None:
    assert caller(headers, query).presented is None


def test_a_header_goes_before_the_query() -> None:
    assert caller([(b"x-goog-api-key", b"tk-header")], b"key=tk-query").presented == "tk-header"


def test_the_first_usable_header_counts() -> None:
    headers = [(b"authorization", b"Basic x"), (b"x-api-key", b"tk-1"), (b"authorization", b"Bearer tk-2")]
    assert caller(headers).presented == "tk-1"


def test_labels_are_taken_from_an_allow_list_and_cut() -> None:
    headers = [
        (b"user-agent", b"OpenAI/Python 3.0"),
        (b"x-client-request-id", b"r-1"),
        (b"x-trunkline-feature", b" search "),
        (b"x-trunkline-user", b"u" * 500),
        (b"x-trunkline-session", b""),
        (b"x-trunkline-team", b"admins"),
        (b"x-forwarded-for", b"10.0.0.1"),
    ]
    assert caller(headers).labels == {
        "client": "OpenAI/Python 3.0",
        "client_request_id": "r-1",
        "feature": "search",
        "user": "u" * 64,
    }


def test_metadata_is_a_list_of_pairs() -> None:
    labels = caller([(b"x-trunkline-metadata", b"team=a, run = 7 ,, note=x=y")]).labels
    assert labels == {"metadata.team": "a", "metadata.run": "7", "metadata.note": "x=y"}


def test_names_and_values_of_metadata_are_cut() -> None:
    labels = caller([(b"x-trunkline-metadata", b"k" * 99 + b"=" + b"v" * 999)]).labels
    assert labels == {"metadata." + "k" * 64: "v" * 256}


def _pairs(first: int, count: int) -> bytes:
    return b",".join(b"k%d=v" % at for at in range(first, first + count))


def test_sixteen_pairs_are_the_most() -> None:
    assert len(caller([(b"x-trunkline-metadata", _pairs(0, 16))]).labels) == 16
    assert refusal([(b"x-trunkline-metadata", _pairs(0, 17))]).param == "x-trunkline-metadata"


def test_several_lines_of_metadata_share_one_cap() -> None:
    lines = [(b"x-trunkline-metadata", _pairs(0, 8)), (b"x-trunkline-metadata", _pairs(8, 8))]
    assert len(caller(lines).labels) == 16
    assert isinstance(read_caller([*lines, (b"x-trunkline-metadata", b"one=more")], b""), Failure)


@pytest.mark.parametrize("value", [b"team", b"=a", b" =a", b"team=a, b"])
def test_metadata_that_is_no_list_is_refused_with_an_example(value: bytes) -> None:
    failure = refusal([(b"x-trunkline-metadata", value)])
    assert http_status(failure) == 400
    assert "`team=a, run=7`" in failure.message


@pytest.mark.parametrize(("value", "seconds"), [(b"1", "0.001"), (b" 2500 ", "2.5"), (b"86400000", "86400.0")])
def test_a_deadline_is_kept_in_seconds(value: bytes, seconds: str) -> None:
    assert caller([(b"x-trunkline-deadline-ms", value)]).labels == {"deadline_s": seconds}


@pytest.mark.parametrize(
    "value",
    [b"", b"0", b"-5", b"+5", b"1.5", b"5s", b"1e3", b"86400001", b"\xb2", b"1_000", b"0" * 11 + b"10", b"9" * 5000],
)
def test_any_other_deadline_is_refused(value: bytes) -> None:
    failure = refusal([(b"x-trunkline-deadline-ms", value)])
    assert (http_status(failure), failure.param) == (400, "x-trunkline-deadline-ms")


def test_constraints_of_the_request_add_up_and_must_be_readable() -> None:
    auth = (b"authorization", b"Bearer tk-1")
    read = read_caller(
        [auth, (b"x-trunkline-require", b"region=eu"), (b"x-trunkline-require", b"vendor=a, vendor=b")], b""
    )
    assert isinstance(read, Caller)
    assert read.labels["require"] == "region=eu,vendor=a, vendor=b"
    for wrong in (
        b"eu",
        b"region=",
        b"=eu",
        b"region=eu,",
        b"region=eu;zone=a,b",
        b"re gion=eu",
        b"region=" + b"x" * 600,
    ):
        failure = refusal([auth, (b"x-trunkline-require", wrong)])
        assert (http_status(failure), failure.param) == (400, "x-trunkline-require"), wrong


def test_no_refusal_repeats_what_was_sent() -> None:
    for name in (b"x-trunkline-deadline-ms", b"x-trunkline-metadata", b"x-trunkline-require"):
        assert "secret" not in refusal([(name, b"secret")]).message


TRACE = b"0af7651916cd43dd8448eb211c80319c"
SPAN = b"b7ad6b7169203331"


@pytest.mark.parametrize(
    "value", [b"00-%s-%s-01" % (TRACE, SPAN), b"cc-%s-%s-01-what-the-future-will-be-like" % (TRACE, SPAN)]
)
def test_a_trace_is_joined(value: bytes) -> None:
    assert caller([(b"traceparent", value)]).labels == {"trace_id": TRACE.decode(), "span_id": SPAN.decode()}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00-" + TRACE,
        b"00-%s-%s" % (TRACE, SPAN),
        b"00-%s-%s-01-more" % (TRACE, SPAN),
        b"ff-%s-%s-01" % (TRACE, SPAN),
        b"zz-%s-%s-01" % (TRACE, SPAN),
        b"00-%s-%s-01" % (b"0" * 32, SPAN),
        b"00-%s-%s-01" % (TRACE, b"0" * 16),
        b"00-%s-%s-01" % (TRACE.upper(), SPAN),
    ],
)
def test_a_malformed_trace_is_ignored(value: bytes) -> None:
    assert caller([(b"traceparent", value)]).labels == {}
