"""What every provider keeps to, whoever it is. A new member of `PROVIDERS` is judged by these as it stands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider_samples import NOW, candidate, outgoing
from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.registry import DIALECTS
from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Provider
from trunkline.types.failure import Failure, FaultClass, http_status
from trunkline.types.wire import Headers

MEMBERS = pytest.mark.parametrize("provider", list(PROVIDERS.values()), ids=list(PROVIDERS))
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
UPSTREAM = {
    FaultClass.TRANSIENT,
    FaultClass.THROTTLED_KNOWN,
    FaultClass.THROTTLED_UNKNOWN,
    FaultClass.CREDENTIAL,
    FaultClass.ENDPOINT,
}
CALLER = {FaultClass.CLIENT, FaultClass.CONTEXT, FaultClass.REFUSAL, FaultClass.CAPABILITY}
WORDS = st.one_of(st.text(max_size=40), st.sampled_from(["rate_limit_error", "NOT_FOUND", "QuotaExceeded", "404"]))
HEADERS = st.lists(
    st.tuples(st.sampled_from([b"retry-after", b"retry-after-ms", b"date"]), st.binary(max_size=40)), max_size=3
)


@MEMBERS
def test_it_is_registered_under_its_own_name(provider: Provider) -> None:
    assert PROVIDERS[provider.kind] is provider
    assert re.fullmatch(r"[a-z][a-z0-9_]*", provider.kind)


@MEMBERS
def test_it_speaks_a_dialect_that_there_is(provider: Provider) -> None:
    assert provider.dialects
    assert set(provider.dialects) <= set(DIALECTS)


@MEMBERS
def test_its_own_address_is_one_that_it_takes(provider: Provider) -> None:
    if provider.default_base_url:
        origin = candidate(provider, provider.default_base_url).origin
        assert (origin.scheme, origin.port) == ("https", 443)


@MEMBERS
@pytest.mark.parametrize(
    "bad", ["", "h.example", "//h", "https://", "file:///etc/passwd", "https://u:p@h", "https://h/\n"]
)
def test_a_base_url_that_is_none_is_a_value_error(provider: Provider, bad: str) -> None:
    if bad:
        with pytest.raises(ValueError):
            candidate(provider, bad)


@MEMBERS
def test_its_options_say_what_they_are_for_and_what_they_take(provider: Provider) -> None:
    for name, option in provider.options.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert option.about.endswith(".")
        assert re.compile(option.pattern).fullmatch("") is None
        assert re.compile(option.pattern).fullmatch("a\r\nb: c") is None


@MEMBERS
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("same", [False, True])
def test_a_prepared_request_is_well_formed(provider: Provider, stream: bool, same: bool) -> None:
    made = outgoing(provider, stream=stream, same_dialect=same, body=b'{"a":1}')
    prepared = provider.prepare(made)
    assert prepared.origin == made.candidate.origin
    assert prepared.body == b'{"a":1}'
    assert re.fullmatch(rb"/[!-~]*", prepared.target)
    assert prepared.framing == ("sse" if stream else "plain")
    names = [name for name, _ in prepared.headers]
    assert all(TOKEN.fullmatch(name) for name in names)
    assert all(re.fullmatch(rb"[!-~]([ -~]*[!-~])?", value) for _, value in prepared.headers)
    assert not {b"host", b"content-length", b"transfer-encoding", b"connection"} & set(names)
    assert len(names) == len(set(names))


@MEMBERS
def test_preparing_twice_gives_the_same_and_shares_nothing(provider: Provider) -> None:
    first, second = provider.prepare(outgoing(provider)), provider.prepare(outgoing(provider))
    assert first == second
    first.headers.append((b"x", b"y"))
    assert provider.prepare(outgoing(provider)) == second


@MEMBERS
def test_a_virtual_key_is_never_sent_upstream(provider: Provider) -> None:
    caller: Headers = [
        (name, b"tl-virtual")
        for name in (b"authorization", b"x-api-key", b"x-goog-api-key", b"cookie", b"x-trunkline-user", b"forwarded")
    ]
    prepared = provider.prepare(outgoing(provider, client_headers=caller))
    assert b"tl-virtual" not in b"".join(value for _, value in prepared.headers) + prepared.target


@MEMBERS
def test_without_a_secret_there_is_no_empty_authentication(provider: Provider) -> None:
    prepared = provider.prepare(outgoing(provider, secret=""))
    assert all(value for _, value in prepared.headers)


# --- failures -------------------------------------------------------------------------------------------------------------
def sane(failure: Failure) -> None:
    assert failure.fault in UPSTREAM | CALLER
    assert failure.source == ("upstream" if failure.fault in UPSTREAM else "client")
    assert http_status(failure) in {400, 404, 405, 408, 409, 410, 411, 413, 415, 417, 422, 429, 431, 502, 503}
    assert failure.message
    assert failure.penalty == "nothing" or failure.fault in UPSTREAM
    if failure.fault is FaultClass.THROTTLED_KNOWN:
        assert failure.delay is not None
    if failure.delay is not None:
        assert 0 < failure.delay <= 1e7
    if failure.fault in CALLER | {FaultClass.CREDENTIAL, FaultClass.ENDPOINT}:
        assert failure.retry == "never"
    assert (failure.retry == "after") == (failure.fault is FaultClass.THROTTLED_KNOWN)


@MEMBERS
@pytest.mark.parametrize("status", [200, *range(300, 600)])
def test_every_status_has_a_class_even_without_a_word(provider: Provider, status: int) -> None:
    sane(provider.classify(status, [], ErrorFacts(status=status), now=NOW))


@MEMBERS
@pytest.mark.parametrize("status", [401, 402, 403])
def test_our_credential_is_never_the_callers_fault(provider: Provider, status: int) -> None:
    failure = provider.classify(status, [], ErrorFacts(message="key sk-1 is bad", status=status), now=NOW)
    assert (failure.fault, failure.kind.value) == (FaultClass.CREDENTIAL, "no_candidate")
    assert failure.penalty in ("credential", "credential_model")
    assert "sk-1" not in failure.message


@MEMBERS
@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_stated_delay_is_honoured(provider: Provider, status: int) -> None:
    failure = provider.classify(status, [(b"retry-after", b"3")], ErrorFacts(status=status), now=NOW)
    assert (failure.fault, failure.retry, failure.delay) == (FaultClass.THROTTLED_KNOWN, "after", 3.0)
    assert failure.penalty == ("credential_model" if status == 429 else "endpoint")


@MEMBERS
@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 599])
def test_a_5xx_without_a_word_is_transient(provider: Provider, status: int) -> None:
    failure = provider.classify(status, [], ErrorFacts(status=status), now=NOW)
    assert (failure.fault, failure.retry, failure.penalty) == (FaultClass.TRANSIENT, "backoff", "endpoint")


@MEMBERS
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_4xx_without_a_word_is_the_callers(provider: Provider, status: int) -> None:
    failure = provider.classify(status, [], ErrorFacts(message="wrong", status=status), now=NOW)
    assert (failure.fault, http_status(failure), failure.message) == (FaultClass.CLIENT, status, "wrong")


@MEMBERS
@settings(max_examples=60, deadline=None)
@given(
    status=st.sampled_from([200, 302, 400, 401, 403, 404, 408, 409, 410, 429, 451, 499, 500, 503, 529, 999]),
    headers=HEADERS,
    words=st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS),
    inside=st.one_of(st.none(), st.floats()),
    said=st.integers(-1, 999),
)
def test_no_answer_is_beyond_classification(
    provider: Provider, status: int, headers: Headers, words: tuple[str, ...], inside: float | None, said: int
) -> None:
    message, type, code, param, reason = words
    facts = ErrorFacts(
        message=message, type=type, code=code, param=param, reason=reason, status=said, delay=inside, quota=(message,)
    )
    sane(provider.classify(status, headers, facts, now=NOW))
