"""Listening sockets that the supervisor owns and workers inherit, so that a killed worker loses no backlog."""

from __future__ import annotations

import resource
import socket

BACKLOG = 4096


def listening(host: str, port: int, *, reuse_port: bool = True) -> socket.socket:
    """A bound, listening, inheritable TCP socket. OSError names the address in its message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
        sock.set_inheritable(True)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sock


def raise_descriptor_limit(wanted: int = 65_536) -> int:
    """One descriptor per live stream on each side: lift the soft limit as far as allowed; returns what is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= target:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    return target
