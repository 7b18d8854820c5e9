"""The egress guard: where URLs that come from requests or from data may lead (reliability.md K1).

A URL is read strictly, its host is resolved once, every address is judged, and the connection goes to the address that was
judged: there is no second look-up that could say something else. Exceptions stand in the configuration file and nowhere else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from trunkline.types.wire import Origin

URL_CAP = 8192  # characters; signed URLs of object stores have a few thousand

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
_NUMERIC = re.compile(r"[0-9]")  # no top-level domain begins so
_VISIBLE = re.compile(r"[!-~]+")
#: Names that no public resolver answers for; whoever does answer is somebody close by.
_CLOSE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "localdomain", "arpa")

#: Beyond what `is_global` knows in every supported Python.
_DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


class Egress:
    """Rules of one process. `allow` has hosts, host:port and networks; `proxy` is used for guarded requests only, and the
    proxy variables of the environment are not. Raises ValueError for an entry that is none of these."""

    def __init__(self, allow: Iterable[str] = (), proxy: str | None = None) -> None:
        self.proxy = proxy
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        for entry in allow:
            self._allow(entry.strip())

    def _allow(self, entry: str) -> None:
        host, port = entry, None
        found = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})", entry)
        if found is not None:
            host = found[1] or found[3]
            digits = found[2] or found[4]
            port = int(digits) if digits else None
        try:
            self._networks.append((ipaddress.ip_network(host, strict=False), port))
        except ValueError:
            if _NAME.fullmatch(host) is None:
                raise ValueError(f"'{entry[:60]}' is no host, host:port or network") from None
            self._names.add((host.lower(), port))

    # --- URLs --------------------------------------------------------------------------------------------------------
    def read_url(self, url: str) -> tuple[Origin, bytes] | str:
        """Origin and request target, or the reason why it is refused. The reason never repeats the URL."""
        if not url or len(url) > URL_CAP:
            return f"a URL has 1 to {URL_CAP} characters"
        if _VISIBLE.fullmatch(url) is None or "\\" in url:
            return "a URL is made of printable ASCII, without spaces and backslashes"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return "it is no valid URL"
        if parts.scheme not in ("https", "http") or not parts.netloc:
            return "a URL begins with https://"
        if "@" in parts.netloc:
            return "a URL here has no user name or password"
        if "#" in url:
            return "a URL here has no fragment"
        host = _host_of(parts.netloc)
        if host is None or port == 0:
            return "its host is not valid"
        number = port if port is not None else 443 if parts.scheme == "https" else 80
        refusal = self._host(host, number, parts.scheme)
        if refusal:
            return refusal
        target = (parts.path or "/") + (f"?{parts.query}" if "?" in url else "")
        return Origin("https" if parts.scheme == "https" else "http", host, number), target.encode("ascii")

    def _host(self, host: str, port: int, scheme: str) -> str:
        address = _literal(host)
        named = self._named(host, port) or (address is not None and self._permits(address, port))
        if named:
            return ""
        if scheme != "https":
            return "a URL begins with https://"
        if address is not None:
            return refused_address(address)
        if host.rpartition(".")[2].lower() in _CLOSE or "." not in host:
            return "its host is not a public name"
        return ""

    # --- addresses ---------------------------------------------------------------------------------------------------
    def judge(self, host: str, port: int, addresses: Iterable[str]) -> tuple[list[str], str]:
        """The addresses that may be connected to, and the reason if there is none. One bad address among good ones spoils
        the name: whoever answers so is up to something."""
        if self._named(host, port):
            return list(addresses), ""
        good: list[str] = []
        for text in addresses:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:  # with a zone
                return [], "its address is not a public one"
            if not self._permits(address, port):
                refusal = refused_address(address)
                if refusal:
                    return [], refusal
            good.append(text)
        return good, ""

    def _named(self, host: str, port: int) -> bool:
        return (host.lower(), None) in self._names or (host.lower(), port) in self._names

    def _permits(self, address: Address, port: int) -> bool:
        return any(
            number in (None, port) and address.version == network.version and address in network
            for network, number in self._networks
        )


def refused_address(address: Address) -> str:
    """ "" for an address of the public internet, otherwise why not."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "its address is not a public one"
    if any(address.version == network.version and address in network for network in _DENIED):
        return "its address is not a public one"
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return "its address is not a public one"
    return ""


def _host_of(netloc: str) -> str | None:
    """The host as it stands there, without port and brackets; None: not one that everybody reads alike."""
    if netloc.startswith("["):
        inside, bracket, rest = netloc[1:].partition("]")
        if not bracket or (rest and not re.fullmatch(r":\d{1,5}", rest)):
            return None
        try:
            return str(ipaddress.IPv6Address(inside)) if "%" not in inside else None
        except ValueError:
            return None
    host, colon, digits = netloc.partition(":")
    if colon and not re.fullmatch(r"\d{1,5}", digits):
        return None
    if _NAME.fullmatch(host) is None:
        return None
    if _NUMERIC.match(host.rpartition(".")[2]):
        # Some read 127.1, 0x7f.1 or 2130706433 as addresses: only the one spelling that nobody disputes is taken.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return None
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
