"""Which proxy stands between us and an origin: one that is configured, or the environment's.

Environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`; lower-case spellings win. Loopback never goes
through a proxy of the environment (reliability.md K1).
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from trunkline.types.wire import Origin

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxy(msgspec.Struct, frozen=True):
    """`authorization` is the value of Proxy-Authorization."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authorization: bytes | None = None


def parse_proxy(url: str) -> Proxy:
    """`http://user:password@host:port`; a missing scheme is http. Raises ValueError (without the password in it)."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the proxy's port is not a number below 65536") from None
    if parts.scheme == "http":
        scheme: Literal["http", "https"] = "http"
    elif parts.scheme == "https":
        scheme = "https"
    else:
        raise ValueError(f"a proxy is http:// or https://, not {parts.scheme}://")
    if not parts.hostname:
        raise ValueError("the proxy has no host")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a proxy is given by scheme, host and port only")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return Proxy(scheme, parts.hostname, port or (443 if scheme == "https" else 80), authorization)


class NoProxy:
    """`NO_PROXY`: names (with their subdomains), addresses, networks (`10.0.0.0/8`), each perhaps with a port; `*`."""

    __slots__ = ("_all", "_names", "_networks")

    def __init__(self, value: str):
        self._all = False
        self._names: list[tuple[str, int | None]] = []
        self._networks: list[tuple[Network, int | None]] = []
        for item in value.replace(",", " ").split():
            self._add(item.lower())

    def _add(self, item: str) -> None:
        if item == "*":
            self._all = True
            return
        network = _network(item.strip("[]"))
        if network is not None:
            self._networks.append((network, None))
            return
        host, _, port_text = item.rpartition(":")
        port = int(port_text) if host and port_text.isascii() and port_text.isdigit() else None
        host = host if port is not None else item
        network = _network(host.strip("[]"))
        if network is not None:
            self._networks.append((network, port))
        else:
            self._names.append((host.removeprefix("*").strip("."), port))

    def covers(self, host: str, port: int) -> bool:
        if self._all:
            return True
        name = host.lower().rstrip(".")
        address = _address(name)
        if address is not None:
            return any(address in network and want in (None, port) for network, want in self._networks)
        return any(
            (name == suffix or name.endswith(f".{suffix}")) and want in (None, port)
            for suffix, want in self._names
            if suffix
        )


class ProxyRules:
    """The environment's proxies. `ProxyRules()` uses none."""

    __slots__ = ("_by_scheme", "_except")

    def __init__(self, http: Proxy | None = None, https: Proxy | None = None, no_proxy: str = ""):
        self._by_scheme = {"http": http, "https": https}
        self._except = NoProxy(no_proxy)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ProxyRules:
        """Raises ValueError, naming the variable, when one of them is no proxy. Empty variables count as unset."""
        both = _variable(environ, "all_proxy")
        # In a CGI process HTTP_PROXY is the caller's `Proxy:` header; only the lower-case name can be trusted there.
        http = environ.get("http_proxy") if "REQUEST_METHOD" in environ else _variable(environ, "http_proxy")
        https = _variable(environ, "https_proxy")
        return cls(
            _named("http_proxy", http or both), _named("https_proxy", https or both), _variable(environ, "no_proxy")
        )

    def choose(self, origin: Origin) -> Proxy | None:
        if is_loopback(origin.host) or self._except.covers(origin.host, origin.port):
            return None
        return self._by_scheme[origin.scheme]


def is_loopback(host: str) -> bool:
    """Names and literals that always mean this machine."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper()) or ""


def _named(variable: str, value: str | None) -> Proxy | None:
    if not value:
        return None
    try:
        return parse_proxy(value)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
