"""TLS settings as `ssl.SSLContext`s: built once, built anew when one of the files has changed."""

from __future__ import annotations

import os
import ssl

from trunkline.types.fleet import Tls


class Contexts:
    """A cache by settings. Contexts are shared by all connections with the same settings."""

    def __init__(self) -> None:
        self._built: dict[Tls, tuple[tuple[int, ...], ssl.SSLContext]] = {}

    def get(self, tls: Tls) -> ssl.SSLContext:
        """Raises OSError or ssl.SSLError when a file is missing or is not what it should be."""
        stamp = tuple(os.stat(path).st_mtime_ns for path in (tls.ca_file, tls.cert_file, tls.key_file) if path)
        known = self._built.get(tls)
        if known is not None and known[0] == stamp:
            return known[1]
        context = _build(tls)
        self._built[tls] = (stamp, context)
        return context


def _build(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 turned this on; private CAs made by older tools fail it, and one file must mean the same everywhere.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert_file is not None:
        # An encrypted key must fail, not ask for its password on the terminal.
        context.load_cert_chain(tls.cert_file, tls.key_file, password=b"")
    return context
