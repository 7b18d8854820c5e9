"""Where a URL of somebody else's may lead (K1): more than two hundred ways to write an address that must not be reached."""

from __future__ import annotations

import ipaddress

import pytest

from trunkline.transport.egress import Egress, refused_address
from trunkline.types.wire import Origin


def words(text: str) -> list[str]:
    return text.split()


PRIVATE_V4 = words("""
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.255
169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255
""")
PRIVATE_V6 = words("""
:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:192.168.1.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 0:0:0:0:0:ffff:7f00:0001 64:ff9b::7f00:1 64:ff9b::127.0.0.1
64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:7f00:1::1 2002:a9fe:a9fe:: 3fff::1 5f00::1 fc00::1 fd00::1 fd12:3456:789a::1 fd00:ec2::254 fe80::1 fe80::a9fe:a9fe
febf::1 fec0::1 ff02::1 ff05::1 ff0e::1
""")
#: Hosts that some parser somewhere takes for a private address, or that leave room for dispute.
DISPUTED = words("""
2130706433 017700000001 0x7f000001 0x7f.1 0x7f.0.0.1 0X7F.0.0.1 0177.0.0.1 0177.1 00000177.0.0.1 127.1 127.0.1 127.0.0.01
127.00.0.1 127.0.0.1. 127.0.0.1.. 3232235521 0xc0a80001 192.168.1 192.168.257 10.1 0 0x0 00 1 255 4294967295 4294967296
2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 169.16689662 999.1.1.1 1.1.1.256 1.2.3.4.5 127.0.0.0x1 127.0.0.1e0
0x 0xg 127.0x0.0.1 127.0.0.1%2e 127%2e0%2e0%2e1 %31%32%37.0.0.1 127。0。0。1 １２７.0.0.1 ①②⑦.0.0.1 ⑯⑨.②⑤④.⑯⑨.②⑤④
localhost LOCALHOST LocalHost localhost. foo.localhost a.b.localhost localhost.localdomain ip6-localhost loopback
printer.local metadata.google.internal instance-data host.docker.internal kubernetes.default.svc.cluster.local router.lan
nas.home db.corp wiki.intranet 1.0.0.127.in-addr.arpa metadata -a.example a-.example .example example..com exa_mple!.com
[::1] [::1%eth0] [fe80::1%25eth0] [::ffff:127.0.0.1] [::FFFF:7F00:1] [0:0:0:0:0:0:0:1] [::127.0.0.1] [v1.::1] [::1 ::1]
[127.0.0.1] [::1]evil.example [::1]:80x [] [:::1] [1::2::3] [fe80::1%25lo]
""")
URLS = words("""
http://example.com/ http://example.com:443/ ftp://example.com/ file:///etc/passwd gopher://example.com/ ws://example.com/
javascript:alert(1) data:text/plain,x //example.com/ /etc/passwd example.com https:example.com https:/example.com https://
https:/// https://:443/ https://?x https://user@example.com/ https://user:pw@example.com/ https://example.com@127.0.0.1/
https://127.0.0.1#@example.com/ https://example.com#x https://example.com\\@127.0.0.1/ https://127.0.0.1\\.example.com/
https://example.com:0/ https://example.com:65536/ https://example.com:-1/ https://example.com:+443/ https://example.com:4٤3/
https://example.com:443:80/ https://example.com:/x@y/ HTTPS://127.0.0.1/ hTTps://[::1]/ https://127.0.0.1:8443/x?y=z
https://exam%70le.com/ https://ex%00ample.com/ https://example.com%2f@127.0.0.1/ https://example.com%00.evil.example/
""")


def spelled() -> list[str]:
    made = [f"https://{host}/x" for host in (*PRIVATE_V4, *DISPUTED)]
    made += [f"https://[{host}]/x" for host in PRIVATE_V6]
    made += [f"https://{host}:8443/x" for host in PRIVATE_V4[:10]]
    made += [f"http://{host}/" for host in ("127.0.0.1", "169.254.169.254", "[::1]", "8.8.8.8")]
    made += URLS
    made += [
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/\r\nhost: x",
        "https://example.com/\0",
        "",
    ]
    made += ["https://example.com/" + "a" * 9000, "https://" + "a" * 300 + ".example/"]
    return made


def test_there_are_more_than_two_hundred() -> None:
    assert len(set(spelled())) >= 200


@pytest.mark.parametrize("url", spelled())
def test_a_bad_url_is_refused_with_words_that_do_not_repeat_it(url: str) -> None:
    guard = Egress()
    found = guard.read_url(url)
    if not isinstance(found, str):
        # Not for its spelling; then for what it resolves to. Names that mean this machine have no public answer.
        assert url == "https://example.com:/x@y/", url
        assert found[0].host == "example.com"
        return
    assert found and "127" not in found and "example" not in found


@pytest.mark.parametrize("address", [*PRIVATE_V4, *PRIVATE_V6])
def test_an_address_that_is_not_public_is_refused_however_it_was_found(address: str) -> None:
    good, refusal = Egress().judge("cdn.example.com", 443, [address])
    assert good == [] and refusal
    assert refused_address(ipaddress.ip_address(address))


def test_one_bad_address_spoils_the_name() -> None:
    assert Egress().judge("a.example", 443, ["8.8.8.8", "127.0.0.1"])[0] == []
    assert Egress().judge("a.example", 443, ["8.8.8.8", "fe80::1%eth0"])[0] == []
    assert Egress().judge("a.example", 443, ["8.8.8.8", "2606:4700::1111"]) == (["8.8.8.8", "2606:4700::1111"], "")


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        (
            "https://cdn.example.com/a/b.mp4?X-Sig=1%2F2&x",
            Origin("https", "cdn.example.com", 443),
            b"/a/b.mp4?X-Sig=1%2F2&x",
        ),
        ("https://cdn.example.com", Origin("https", "cdn.example.com", 443), b"/"),
        ("https://cdn.example.com:8443?x", Origin("https", "cdn.example.com", 8443), b"/?x"),
        ("https://8.8.8.8/x", Origin("https", "8.8.8.8", 443), b"/x"),
        ("https://[2606:4700::1111]:8443/x", Origin("https", "2606:4700::1111", 8443), b"/x"),
        ("https://xn--bcher-kva.example/x", Origin("https", "xn--bcher-kva.example", 443), b"/x"),
    ],
)
def test_public_https_is_read_as_it_stands(url: str, origin: Origin, target: bytes) -> None:
    assert Egress().read_url(url) == (origin, target)


def test_exceptions_come_from_the_configuration_and_are_exact() -> None:
    guard = Egress(("127.0.0.1:9104", "hooks.corp", "10.1.0.0/16", "[fd00::1]:8443"))
    assert guard.read_url("http://127.0.0.1:9104/x") == (Origin("http", "127.0.0.1", 9104), b"/x")
    assert guard.read_url("http://hooks.corp:1234/x") == (Origin("http", "hooks.corp", 1234), b"/x")
    assert guard.read_url("https://10.1.2.3/") == (Origin("https", "10.1.2.3", 443), b"/")
    assert guard.read_url("https://[fd00::1]:8443/") == (Origin("https", "fd00::1", 8443), b"/")
    for url in ("http://127.0.0.1:9105/", "http://127.0.0.2:9104/", "https://10.2.0.1/", "https://[fd00::2]:8443/"):
        assert isinstance(guard.read_url(url), str), url
    assert guard.judge("hooks.corp", 1234, ["10.9.9.9"]) == (["10.9.9.9"], "")
    assert guard.judge("other.example", 443, ["10.1.2.3"]) == (["10.1.2.3"], "")
    assert guard.judge("other.example", 443, ["10.2.0.1"])[0] == []


@pytest.mark.parametrize("entry", ["", "http://x", "a b", "10.0.0.0/40", "x:y", "x:123456"])
def test_an_exception_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError):
        Egress((entry,))
