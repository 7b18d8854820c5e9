"""What `doctor` looks at: each finding says what was examined, what was found and what to do."""

from __future__ import annotations

import os
import resource
import socket
import sys
from pathlib import Path

import msgspec

from trunkline.app.boot import Boot
from trunkline.storage.open import open_store

WANTED_DESCRIPTORS = 8192
WANTED_FREE = 256 << 20


class Finding(msgspec.Struct, frozen=True):
    about: str
    ok: bool
    detail: str
    advice: str = ""


def diagnose(config: str, *, twins: bool = False) -> list[Finding]:
    """Never raises; what cannot be examined is a finding of its own."""
    findings = [_python(), _descriptors()]
    boot = Boot.load(config, twins=twins)
    if isinstance(boot, list):
        findings += [
            Finding("configuration", False, str(p), "fix the file; `trunkline check` shows all") for p in boot[:10]
        ]
        return findings
    findings.append(Finding("configuration", True, f"valid, digest {boot.snapshot.digest[:12]}"))
    findings += [_state(boot), _disk(boot), _store(boot), _address("data plane", boot.listen_address)]
    if boot.metrics_address is not None:
        findings.append(_address("metrics listener", boot.metrics_address))
    findings += _providers(boot)
    return findings


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("python", sys.version_info >= (3, 11), version, "Python 3.11 or newer is needed")


def _descriptors() -> Finding:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = hard == resource.RLIM_INFINITY or hard >= WANTED_DESCRIPTORS
    return Finding(
        "file descriptors",
        enough,
        "unlimited" if hard == resource.RLIM_INFINITY else f"at most {hard}",
        f"every live stream takes two; raise the hard limit to {WANTED_DESCRIPTORS} or more",
    )


def _state(boot: Boot) -> Finding:
    try:
        boot.prepare_state()
        probe = boot.state_dir / f".doctor-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding(
            "state directory", False, f"{boot.state_dir}: {error.strerror}", "make it writable (`state_dir:`)"
        )
    return Finding("state directory", True, f"{boot.state_dir} is writable")


def _disk(boot: Boot) -> Finding:
    stat = os.statvfs(_existing(boot.state_dir))
    free = stat.f_bavail * stat.f_frsize
    return Finding(
        "disk for the journal", free >= WANTED_FREE, f"{free >> 20} MiB free", "free some space before it fills up"
    )


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _store(boot: Boot) -> Finding:
    try:
        store = open_store(boot.store_url)
        keys = len(store.list_keys())
        store.close()
    except Exception as error:
        return Finding("store", False, str(error), "check `store:`")
    return Finding("store", True, f"opens, {keys} keys", "")


def _address(name: str, address: tuple[str, int]) -> Finding:
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(name, False, f"{host}:{port}: {error.strerror}", "is Trunkline running there already?")
    return Finding(name, True, f"{host}:{port} is free")


def _providers(boot: Boot) -> list[Finding]:
    """A name that does not resolve or a port that refuses is worth knowing before the first request."""
    findings = []
    seen: set[str] = set()
    for deployment in boot.snapshot.deployments.values():
        origin = boot.origin_of(deployment)
        address = f"{origin.host}:{origin.port}"
        if address in seen or boot.twins:
            continue
        seen.add(address)
        try:
            socket.create_connection((origin.host, origin.port), timeout=2).close()
        except OSError as error:
            findings.append(
                Finding(
                    f"provider {deployment.provider.name}", False, f"{address}: {error}", "no route, DNS or firewall?"
                )
            )
        else:
            findings.append(Finding(f"provider {deployment.provider.name}", True, f"{address} accepts connections"))
    return findings
