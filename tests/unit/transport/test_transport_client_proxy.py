"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from trunkline.transport.client.proxy import NoProxy, Proxy, ProxyRules, is_loopback, parse_proxy
from trunkline.types.wire import Origin

API = Origin("https", "api.example.com", 443)
PLAIN = Origin("http", "vllm.lan", 8000)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy.lan:3128/", Proxy("http", "proxy.lan", 3128)),
        ("http://proxy", Proxy("http", "proxy", 80)),
        ("https://proxy", Proxy("https", "proxy", 443)),
        ("http://[2001:db8::1]:8080", Proxy("http", "2001:db8::1", 8080)),
        ("http://user:pass@proxy:1", Proxy("http", "proxy", 1, b"Basic dXNlcjpwYXNz")),
        ("http://us%40er:p%3Ass@proxy:1", Proxy("http", "proxy", 1, b"Basic dXNAZXI6cDpzcw==")),
        ("http://user@proxy:1", Proxy("http", "proxy", 1, b"Basic dXNlcjo=")),
    ],
)
def test_a_proxy_url_is_read(url: str, proxy: Proxy):
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    "url", ["", "http://", "socks5://proxy:1080", "http://proxy:99999", "http://proxy/path", "http://p?x"]
)
def test_what_is_no_proxy_is_refused(url: str):
    with pytest.raises(ValueError, match="proxy"):
        parse_proxy(url)


def test_a_refused_proxy_does_not_show_its_password():
    with pytest.raises(ValueError) as refused:
        ProxyRules.from_environ({"HTTPS_PROXY": "http://user:hunter2@proxy:port"})
    assert "hunter2" not in str(refused.value)
    assert "https_proxy" in str(refused.value)
    assert refused.value.__cause__ is None


def test_each_scheme_has_its_variable_and_lower_case_wins():
    rules = ProxyRules.from_environ(
        {"HTTP_PROXY": "http://upper:1", "http_proxy": "http://lower:1", "HTTPS_PROXY": "http://secure:1"}
    )
    assert rules.choose(PLAIN) == Proxy("http", "lower", 1)
    assert rules.choose(API) == Proxy("http", "secure", 1)


def test_all_proxy_stands_in_for_both_and_empty_means_unset():
    rules = ProxyRules.from_environ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": ""})
    assert rules.choose(PLAIN) == rules.choose(API) == Proxy("http", "all", 1)
    assert ProxyRules.from_environ({}).choose(API) is None


def test_a_cgi_process_does_not_take_the_callers_proxy_header_for_its_own():
    environ = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "http://evil:1"}
    assert ProxyRules.from_environ(environ).choose(PLAIN) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
)
def test_loopback_never_goes_through_the_environments_proxy(host: str):
    rules = ProxyRules(http=Proxy("http", "proxy", 1))
    assert is_loopback(host)
    assert rules.choose(Origin("http", host, 80)) is None


@pytest.mark.parametrize("host", ["localhost.example.com", "notlocalhost", "10.0.0.1", "::2", "0127.0.0.1"])
def test_other_hosts_are_not_loopback(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("value", "host", "port", "covered"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "api.example.com", 443, True),
        ("example.com", "API.EXAMPLE.COM.", 443, True),
        (".example.com", "api.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        ("example.com", "example.com.evil", 443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("192.0.2.7", "192.0.2.7", 80, True),
        ("192.0.2.7:81", "192.0.2.7", 80, False),
        ("2001:db8::/32", "2001:db8::5", 80, True),
        ("[2001:db8::5]:81", "2001:db8::5", 81, True),
        ("[2001:db8::5]:81", "2001:db8::5", 80, False),
        ("10.0.0.0/8", "ten.example", 80, False),
        ("a.test, b.test c.test", "c.test", 80, True),
        ("*", "anything", 80, True),
        ("", "anything", 80, False),
        (".", "anything", 80, False),
    ],
)
def test_no_proxy_names_suffixes_networks_and_ports(value: str, host: str, port: int, covered: bool):
    assert NoProxy(value).covers(host, port) is covered


def test_no_proxy_is_read_from_the_environment():
    rules = ProxyRules.from_environ({"https_proxy": "http://proxy:1", "NO_PROXY": "example.com"})
    assert rules.choose(API) is None
    assert rules.choose(Origin("https", "api.other.com", 443)) == Proxy("http", "proxy", 1)
