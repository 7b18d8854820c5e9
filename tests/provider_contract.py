"""What every provider owes the line, whatever it speaks: one function per promise, run over all of `PROVIDERS` and over
the example of docs/how-to/add-a-provider.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import h11
import pytest

from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.registry import DIALECTS
from trunkline.providers.contract import Outgoing, Prepared, Provider
from trunkline.transport.client.request import encode_head, prefix
from trunkline.transport.contract import Outbound
from trunkline.types.failure import Failure, FaultClass, Kind, http_status
from trunkline.types.fleet import Candidate, Deployment, ProviderSettings, Tls
from trunkline.types.wire import Headers

SECRET = "sk-the-gateways-own"
BODY = b'{"model":"m","messages":[]}'
#: What a caller may send, all of it with a value that must never reach a provider.
LEAKS = (
    "authorization proxy-authorization x-api-key x-goog-api-key api-key cookie set-cookie x-forwarded-for forwarded host "
    "x-real-ip via content-length transfer-encoding connection upgrade te expect content-encoding accept-encoding "
    "user-agent x-trunkline-user x-trunkline-metadata x-trunkline-require traceparent openai-organization openai-project "
    "x-stainless-lang x-http-method-override x-amz-security-token x-goog-user-project"
)
CLIENT: Headers = [(name.encode(), f"leak-{name}".encode()) for name in LEAKS.split()]
TOKEN = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
OURS = {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"te", b"upgrade"}

Promise = Callable[[Provider], None]


def deployment_of(provider: Provider, model: str = "model-1", base_url: str = "") -> Deployment:
    url = base_url or provider.default_base_url or "https://models.example/v1"
    settings = ProviderSettings(name="p", kind=provider.kind, base_url=url, credentials=("default",))
    return Deployment(name="d", provider=settings, model=model, base_url=url, dialects=provider.dialects)


def prepared(
    provider: Provider, *, model: str = "model-1", secret: str = SECRET, stream: bool = False, same: bool = True
) -> Prepared:
    deployment = deployment_of(provider, model)
    origin = provider.origin(deployment)
    candidate = Candidate(
        deployment=deployment, credential="default", origin=origin, address="a", endpoint="e", secret="s"
    )
    outgoing = Outgoing(
        candidate=candidate,
        dialect=provider.dialects[0],
        operation="chat",
        stream=stream,
        same_dialect=same,
        api_version="",
        secret=secret,
        client_headers=CLIENT,
        body=BODY,
        now=0.0,
    )
    return provider.prepare(outgoing)


def each_way(provider: Provider) -> Iterator[Prepared]:
    for stream in (False, True):
        for same in (False, True):
            yield prepared(provider, stream=stream, same=same)


def wire(made: Prepared) -> bytes:
    """The head as the transport writes it. ValueError: it refuses."""
    out = Outbound(
        origin=made.origin, method=made.method, target=made.target, headers=made.headers, body=made.body, tls=Tls()
    )
    return encode_head(out, b"", prefix(made.origin.authority))


# --- promises ----------------------------------------------------------------------------------------------------
def it_says_what_it_is(provider: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", provider.kind)
    assert provider.dialects
    assert all(name in DIALECTS for name in provider.dialects)
    for name, option in provider.options.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert option.about.endswith(".")
        re.compile(option.pattern)


def its_own_address_is_https_on_443(provider: Provider) -> None:
    if provider.default_base_url:
        origin = provider.origin(deployment_of(provider))
        assert (origin.scheme, origin.port) == ("https", 443)
    else:
        with pytest.raises(ValueError, match="written as https://"):
            provider.origin(Deployment(name="d", provider=deployment_of(provider).provider, model="m", base_url=""))


def a_prepared_request_is_one_request(provider: Provider) -> None:
    for made in each_way(provider):
        server = h11.Connection(h11.SERVER)
        server.receive_data(wire(made) + made.body)
        request = server.next_event()
        assert isinstance(request, h11.Request)
        assert (request.method, request.target) == (made.method, made.target)
        assert server.next_event() == h11.Data(data=BODY)
        assert isinstance(server.next_event(), h11.EndOfMessage)
        assert server.trailing_data == (b"", False)


def a_target_is_a_path_of_printable_ascii(provider: Provider) -> None:
    for made in each_way(provider):
        assert re.fullmatch(rb"/[!-~]+", made.target)
        assert b"//" not in made.target and b"#" not in made.target


def headers_are_well_formed_and_leave_framing_to_the_transport(provider: Provider) -> None:
    for made in each_way(provider):
        names = [name for name, _ in made.headers]
        assert all(TOKEN.fullmatch(name) for name in names)
        assert len(set(names)) == len(names)
        assert not OURS & set(names)


def the_body_is_sent_as_it_was_handed_over(provider: Provider) -> None:
    for made in each_way(provider):
        assert made.body == BODY
        assert dict(made.headers)[b"content-type"] == b"application/json"


def an_answer_is_asked_for_unencoded(provider: Provider) -> None:
    for made in each_way(provider):
        assert dict(made.headers)[b"accept-encoding"] == b"identity"


def a_stream_is_framed_as_one(provider: Provider) -> None:
    assert prepared(provider, stream=True).framing != "plain"
    assert prepared(provider, stream=False).framing == "plain"


def nothing_of_the_callers_own_headers_is_forwarded(provider: Provider) -> None:
    for made in each_way(provider):
        assert b"leak-" not in wire(made)


def the_secret_stands_in_one_header_and_nowhere_else(provider: Provider) -> None:
    for made in each_way(provider):
        holding = [value for _, value in made.headers if SECRET.encode() in value]
        assert len(holding) == 1
        assert SECRET.encode() not in made.target + made.body


def without_a_secret_no_empty_credential_is_sent(provider: Provider) -> None:
    made = prepared(provider, secret="")
    assert all(value.strip() not in (b"", b"Bearer") for _, value in made.headers)


def a_secret_and_a_model_show_in_no_repr(provider: Provider) -> None:
    assert SECRET not in repr(prepared(provider))


def no_secret_can_break_the_request(provider: Provider) -> None:
    for bad in ("a\r\nx-evil: 1", "a\nb", "a\rb", "a\x00b", "a\r\n\r\nGET / HTTP/1.1"):
        with pytest.raises(ValueError, match="CR, LF, NUL"):
            wire(prepared(provider, secret=bad))


def no_model_can_break_the_request(provider: Provider) -> None:
    good = prepared(provider)
    for bad in ("a\r\nx-evil: 1", "a\nb", "a\x00b", "a b", "a?alt=sse&key=x", "a#b", "a/../../v1/files", "a%2fb", "ö"):
        made = prepared(provider, model=bad)
        server = h11.Connection(h11.SERVER)
        server.receive_data(wire(made))
        request = server.next_event()
        assert isinstance(request, h11.Request)
        assert made.target.count(b"/") == good.target.count(b"/")
        assert made.target.count(b"?") == good.target.count(b"?")
        assert b"/../" not in made.target
        assert made.headers == good.headers


ODD_URLS = (
    "", "models.example", "//models.example", "ftp://models.example", "file:///etc/passwd", "https://", "https:///v1",
    "https://models.example:0", "https://models.example:99999", "https://models.example:x", "https://u:p@models.example",
    "https://models.example/v1?key=1", "https://models.example/v1#x", "https://models.example/a b",
    "https://models.example/\r\nx: y", "https://exa\tmple", "https://models.example/\x00", "https://mödels.example",
    "https://models.example/é", "https://[::1", "https://a..b@c", "javascript:alert(1)", "https://models.example\\@evil",
)  # fmt: skip


def an_odd_base_url_is_refused_in_words_that_do_not_repeat_it(provider: Provider) -> None:
    for url in ODD_URLS:
        deployment = Deployment(name="d", provider=deployment_of(provider).provider, model="m", base_url=url)
        with pytest.raises(ValueError, match="base URL") as refused:
            provider.origin(deployment)
        assert len(url) < 10 or url not in str(refused.value)


def a_base_url_may_have_port_path_and_a_last_slash(provider: Provider) -> None:
    origin = provider.origin(deployment_of(provider, base_url="http://[::1]:8000/proxy/"))
    assert (origin.scheme, origin.host, origin.port) == ("http", "::1", 8000)


WORDS = ("", "rate_limit_error", "authentication_error", "NOT_FOUND", "500", "\x00", "invalid_request_error")


def every_error_has_a_class_and_none_is_the_callers_401_or_403(provider: Provider) -> None:
    for status in (200, *range(300, 309), *range(400, 600)):
        for word in WORDS:
            for facts in (
                ErrorFacts(type=word),
                ErrorFacts(code=word, message="m"),
                ErrorFacts(reason=word, status=429),
            ):
                failure = provider.classify(status, [], facts, now=0.0)
                assert failure.fault in UPSTREAM, (status, facts)
                assert http_status(failure) not in (401, 402, 403), (status, facts)
                assert_consistent(failure)


def an_unknown_5xx_is_transient_and_an_unknown_4xx_the_callers(provider: Provider) -> None:
    for status in (505, 511, 520, 598):
        assert provider.classify(status, [], ErrorFacts(), now=0.0).fault is FaultClass.TRANSIENT
    for status in (406, 418, 424, 451, 499):
        assert provider.classify(status, [], ErrorFacts(code="new_word"), now=0.0).fault is FaultClass.CLIENT


def a_stated_delay_is_kept(provider: Provider) -> None:
    for status in (429, 503, 529):
        failure = provider.classify(status, [(b"retry-after", b"3")], ErrorFacts(message="m"), now=0.0)
        assert (failure.fault, failure.delay, failure.retry) == (FaultClass.THROTTLED_KNOWN, 3.0, "after")


UPSTREAM = frozenset(FaultClass) - {FaultClass.SILENT, FaultClass.CANCELLED, FaultClass.OVERLOAD, FaultClass.OURS}
OF_THE_CALLER = {FaultClass.CLIENT, FaultClass.CONTEXT, FaultClass.REFUSAL, FaultClass.CAPABILITY}


def assert_consistent(failure: Failure) -> None:
    """The columns "same deployment again" and "penalises" of reliability.md section 1."""
    if failure.fault in OF_THE_CALLER:
        assert (failure.retry, failure.penalty) == ("never", "nothing")
    if failure.fault in (FaultClass.CREDENTIAL, FaultClass.ENDPOINT):
        assert (failure.retry, failure.kind) == ("never", Kind.NO_CANDIDATE)
    if failure.fault is FaultClass.THROTTLED_KNOWN:
        assert failure.delay is not None and failure.retry == "after"
    if failure.fault is FaultClass.THROTTLED_UNKNOWN:
        assert failure.delay is None and failure.retry == "backoff"


PROMISES: tuple[Promise, ...] = (
    it_says_what_it_is,
    its_own_address_is_https_on_443,
    a_prepared_request_is_one_request,
    a_target_is_a_path_of_printable_ascii,
    headers_are_well_formed_and_leave_framing_to_the_transport,
    the_body_is_sent_as_it_was_handed_over,
    an_answer_is_asked_for_unencoded,
    a_stream_is_framed_as_one,
    nothing_of_the_callers_own_headers_is_forwarded,
    the_secret_stands_in_one_header_and_nowhere_else,
    without_a_secret_no_empty_credential_is_sent,
    a_secret_and_a_model_show_in_no_repr,
    no_secret_can_break_the_request,
    no_model_can_break_the_request,
    an_odd_base_url_is_refused_in_words_that_do_not_repeat_it,
    a_base_url_may_have_port_path_and_a_last_slash,
    every_error_has_a_class_and_none_is_the_callers_401_or_403,
    an_unknown_5xx_is_transient_and_an_unknown_4xx_the_callers,
    a_stated_delay_is_kept,
)
