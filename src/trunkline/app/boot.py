"""What a process needs to begin: the configuration as loaded, compiled and addressed. Supervisor, workers, recorder and the
command line all start from it; children find the same file through the environment."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import time
from pathlib import Path
from typing import Any

import msgspec

from trunkline.app.compile import compile_snapshot
from trunkline.app.history import History, files_of
from trunkline.app.orphan import SUPERVISOR
from trunkline.config.load import TWIN_SECRET, load
from trunkline.config.problems import Problem
from trunkline.config.tree import Tree
from trunkline.credentials.vault import SecretError, Vault
from trunkline.providers import PROVIDERS
from trunkline.transport.contract import ServerLimits
from trunkline.types.fleet import Deployment, Snapshot
from trunkline.types.wire import Origin

TWIN_PORTS = {"openai": 9101, "anthropic": 9102, "gemini": 9103, "ark": 9104}
#: What each kind of provider's SDK takes as base URL of a twin.
_TWIN_BASES = {
    "openai": ("openai", "/v1"),
    "anthropic": ("anthropic", ""),
    "google": ("gemini", ""),
    "modelark": ("ark", "/api/v3"),
    "openai_compatible": ("openai", "/v1"),
}
_PREFIX = "TRUNKLINE_CHILD_"
LAST_GOOD = "last_good"


class Boot:
    """One loaded configuration. `reload` replaces tree, snapshot and vault together, or changes nothing."""

    def __init__(self, path: str, *, twins: bool, workers: int | None, twin_ports: dict[str, int]) -> None:
        self.path = path
        self.twins = twins
        self.twin_ports = twin_ports
        self._workers = workers
        self.number = 0
        self.refused: list[str] = []
        self.pinned: int | None = None
        self.tree: Tree
        self.snapshot: Snapshot
        self.vault: Vault

    @classmethod
    def load(
        cls,
        path: str,
        *,
        twins: bool = False,
        workers: int | None = None,
        twin_ports: dict[str, int] | None = None,
    ) -> Boot | list[Problem]:
        boot = cls(path, twins=twins, workers=workers, twin_ports=twin_ports or ports_from(os.environ))
        problems = boot._load()
        return problems or boot

    @classmethod
    def inherited(cls) -> Boot:
        """In a child: as the supervisor loaded it. If the file has become invalid since, the last good copy counts, so
        that a worker can be started again at any time."""
        e = os.environ
        workers = e.get(_PREFIX + "WORKERS")
        boot = cls.load_or_last_good(
            e[_PREFIX + "CONFIG"],
            Path(e[_PREFIX + "STATE"]),
            twins=e[_PREFIX + "TWINS"] == "1",
            workers=int(workers) if workers else None,
        )
        if isinstance(boot, list):
            raise SystemExit("\n".join(str(p) for p in boot))
        boot._take_number()
        return boot

    @classmethod
    def load_or_last_good(
        cls, path: str, state_dir: Path, *, twins: bool = False, workers: int | None = None
    ) -> Boot | list[Problem]:
        """The file, or else the copy of what was last in force (reliability.md D1); `refused` says why. The problems of
        the file where there is no copy."""
        history = History(state_dir)
        pinned = history.pinned()
        folder = history.folder(pinned) if pinned is not None else None
        boot = cls.load(path if folder is None else str(folder), twins=twins, workers=workers)
        if isinstance(boot, Boot) and folder is not None:
            boot.path, boot.pinned = path, pinned
        copy = state_dir / LAST_GOOD
        if isinstance(boot, Boot) or not copy.is_dir():
            return boot
        good = cls.load(str(copy), twins=twins, workers=workers)
        if isinstance(good, list):
            return boot
        good.path, good.refused = path, [str(p) for p in boot]
        return good

    def environment(self) -> dict[str, str]:
        """For children. Secrets reach them through the same variables and files as here, not through this."""
        made = {
            _PREFIX + "CONFIG": self.path,
            _PREFIX + "TWINS": "1" if self.twins else "0",
            _PREFIX + "WORKERS": str(self.workers),
            _PREFIX + "STATE": str(self.state_dir),
            SUPERVISOR: str(os.getpid()),
        }
        if self.twins:
            made["TRUNKLINE_TWIN_PORTS"] = ",".join(f"{name}={port}" for name, port in self.twin_ports.items())
        return made

    # --- loading -----------------------------------------------------------------------------------------------------
    def _load(self, source: str = "") -> list[Problem]:
        tree = load(source or self.path, twins=self.twins)
        if isinstance(tree, list):
            return tree
        if self.twins:
            tree = self._redirected(tree)
        snapshot = compile_snapshot(tree, PROVIDERS, self.number + 1, self.path)
        if isinstance(snapshot, list):
            return snapshot
        secrets = {
            (name, credential): value.api_key
            for name, provider in tree.providers.items()
            for credential, value in provider.credentials.items()
        }
        s3 = tree.jobs.get("s3", {})
        secrets |= {("s3:", name): s3[name] for name in ("access_key", "secret_key") if name in s3}
        try:
            vault = Vault(secrets, TWIN_SECRET if self.twins else None)
        except (SecretError, UnicodeDecodeError) as error:
            return [Problem(file=self.path, line=0, column=0, path="providers", message=str(error))]
        self.tree, self.snapshot, self.vault = tree, snapshot, vault
        self.refused = []
        self.number = snapshot.number
        return []

    def reload(self) -> list[str]:
        """Load again: the file, or the snapshot that is pinned. Problems mean that everything stays as it was."""
        history = History(self.state_dir)
        pinned = history.pinned()
        folder = history.folder(pinned) if pinned is not None else None
        if pinned is not None and folder is None:
            return [f"snapshot {pinned} is pinned and no longer there; lift the pin with `trunkline config pin --lift`"]
        problems = [str(p) for p in self._load("" if folder is None else str(folder))]
        if not problems:
            self.pinned = pinned
            self._take_number()
        return problems

    def publish(self) -> None:
        """The supervisor says which number its snapshot has, so that all workers call it the same."""
        path = self.state_dir / "snapshot.json"
        self._number(History(self.state_dir))
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode({"number": self.number, "digest": self.digest, "at": time.time()}))
        fresh.replace(path)
        if not self.refused and self.pinned is None:
            self._keep_copy()

    def _number(self, history: History) -> None:
        """The number under which this configuration is kept. A disk that takes no copy stops nothing."""
        try:
            self.number = self.pinned or history.keep(Path(self.path), self.digest) if not self.refused else self.number
        except OSError:
            return
        self.snapshot = msgspec.structs.replace(self.snapshot, number=self.number)

    def _keep_copy(self) -> None:
        """What is in force, readable by this user only, in case the file is broken when a process has to start."""
        source, copy = Path(self.path), self.state_dir / LAST_GOOD
        fresh = self.state_dir / f"{LAST_GOOD}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        for file in files_of(source):
            target = fresh / (file.name if source.is_dir() else file.stem + ".yaml")
            target.touch(mode=0o600)
            target.write_bytes(file.read_bytes())
        stale = self.state_dir / f"{LAST_GOOD}.old"
        shutil.rmtree(stale, ignore_errors=True)
        if copy.exists():
            copy.rename(stale)
        fresh.rename(copy)  # only between these two renames is there no copy
        shutil.rmtree(stale, ignore_errors=True)

    @property
    def behind(self) -> bool:
        """Another snapshot than this one has been published."""
        said = self._published()
        return said is not None and said.get("digest") != self.digest

    def _published(self) -> dict[str, Any] | None:
        try:
            said = msgspec.json.decode((self.state_dir / "snapshot.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        return said if isinstance(said, dict) else None

    def _take_number(self) -> None:
        said = self._published()
        if said is not None and said.get("digest") == self.digest:
            self.number = int(said["number"])
            self.snapshot = msgspec.structs.replace(self.snapshot, number=self.number)

    def _redirected(self, tree: Tree) -> Tree:
        """All upstream traffic to the twins, whatever the file says."""
        providers = {
            name: msgspec.structs.replace(p, base_url=self._twin_base(p.type or name), proxy=None)
            for name, p in tree.providers.items()
        }
        deployments = {name: msgspec.structs.replace(d, base_url="") for name, d in tree.deployments.items()}
        return msgspec.structs.replace(tree, providers=providers, deployments=deployments)

    def _twin_base(self, kind: str) -> str:
        twin, path = _TWIN_BASES.get(kind, ("openai", "/v1"))
        return f"http://127.0.0.1:{self.twin_ports[twin]}{path}"

    # --- what the processes ask ----------------------------------------------------------------------------------------
    @property
    def digest(self) -> str:
        return self.snapshot.digest

    @property
    def workers(self) -> int:
        return self._workers or self.tree.workers

    @property
    def listen_address(self) -> tuple[str, int]:
        return self.tree.listen

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        return self.tree.metrics_listen

    @property
    def state_dir(self) -> Path:
        return Path(self.tree.state_dir)

    @property
    def store_url(self) -> str:
        return self.tree.store or f"sqlite:///{self.state_dir / 'trunkline.db'}"

    @property
    def drain_grace(self) -> float:
        return self.tree.drain_grace

    @property
    def drain_limit(self) -> float:
        return self.tree.drain_limit

    @property
    def server_limits(self) -> ServerLimits:
        names = {"body": "body_bytes", "inflight": "inflight_bytes"}
        found = {names.get(k, k): v for k, v in self.tree.limits.items() if k != "requests"}
        return ServerLimits(**found)

    @property
    def max_live(self) -> int:
        return int(self.tree.limits.get("requests", 16_384))

    def listener_tls(self) -> ssl.SSLContext | None:
        if self.tree.tls is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.tree.tls.cert, self.tree.tls.key)
        return context

    def origin_of(self, deployment: Deployment) -> Origin:
        return PROVIDERS[deployment.provider.kind].origin(deployment)

    def prepare_state(self) -> None:
        """Make the state directory, private to this user."""
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir.chmod(0o700)


def state_dir_said(path: str) -> Path | None:
    """The `state_dir:` line of a file that may be too broken to load; None: not said, or not plainly."""
    where = Path(path)
    try:
        files = sorted(where.glob("*.y*ml")) if where.is_dir() else [where]
        text = "\n".join(file.read_text("utf-8", "replace") for file in files)
    except OSError:
        return None
    found = re.search(r"^state_dir:[ \t]+[\"']?([^\"'#\s$]+)[\"']?[ \t]*(?:#.*)?$", text, re.MULTILINE)
    return Path(found[1]) if found is not None else None


def ports_from(environment: os._Environ[str]) -> dict[str, int]:
    """`TRUNKLINE_TWIN_PORTS=openai=9101,…` overrides where the twins listen."""
    ports = dict(TWIN_PORTS)
    for pair in environment.get("TRUNKLINE_TWIN_PORTS", "").split(","):
        name, equals, port = pair.partition("=")
        if equals and name in ports and port.isdigit():
            ports[name] = int(port)
    return ports
