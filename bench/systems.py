"""The systems under test and what stands around them: started pinned, measured by /proc, ended by process id."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mock_upstream import ANSWER

UNDER_TEST = {0}
LOAD_SIDE = {1}
HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

MANY = "limits: {concurrency: 4096}"
MOCK, MOCK_TLS, STATIC, NGINX, GATEWAY = 9801, 9802, 9803, 9804, 9805


def pinned(cores: set[int], command: list[str], **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores), **options)  # type: ignore[call-overload,no-any-return]


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                found += [int(c) for c in children.split()]
        except FileNotFoundError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """User plus system time of a process and its descendants."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pid: int) -> int:
    """Resident bytes of a process and its descendants."""
    total = 0
    for one in family(pid):
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE
        except FileNotFoundError:
            continue
    return total


class Systems:
    """nginx as the static upstream and as a peer, the mock for streams, and Trunkline with everything on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: list[subprocess.Popen[bytes]] = []
        self.nginx = shutil.which("nginx")
        self.key = ""

    def start_upstream(self) -> None:
        """What answers; no gateway."""
        self._mock(MOCK, [])
        if self.nginx:
            self._nginx("static", LOAD_SIDE, self._static())

    def start(self) -> None:
        cert, key = self._certificate()
        self.start_upstream()
        self._mock(MOCK_TLS, [cert, key])
        if self.nginx:
            self.peer = self._nginx("proxy", UNDER_TEST, self._proxy())
        self._gateway(cert)

    def close(self) -> None:
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    # --- parts -----------------------------------------------------------------------------------------------------
    def _mock(self, port: int, tls: list[str]) -> None:
        command = [sys.executable, str(HERE / "mock_upstream.py"), str(port), *tls]
        process = pinned(LOAD_SIDE, command, stdout=subprocess.PIPE)
        self.running.append(process)
        assert process.stdout is not None
        process.stdout.readline()

    def _nginx(self, name: str, cores: set[int], server: str) -> subprocess.Popen[bytes]:
        home = self.directory / name
        home.mkdir()
        text = (
            f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
            "events { worker_connections 8192; }\n"
            f"http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {home}; proxy_temp_path {home};"
            f" fastcgi_temp_path {home}; uwsgi_temp_path {home}; scgi_temp_path {home};\n{server}\n}}\n"
        )
        (home / "nginx.conf").write_text(text)
        process = pinned(cores, [str(self.nginx), "-c", str(home / "nginx.conf"), "-p", str(home)])
        self.running.append(process)
        return process

    def _static(self) -> str:

        body = ANSWER.decode().replace("'", "")
        return (
            f"server {{ listen 127.0.0.1:{STATIC} backlog=4096; default_type application/json;"
            f" location / {{ add_header x-request-id req_bench; return 200 '{body}'; }} }}"
        )

    def _proxy(self) -> str:
        return (
            f"upstream up {{ server 127.0.0.1:{STATIC}; keepalive 128; keepalive_requests 100000000; }}\n"
            f"upstream mock {{ server 127.0.0.1:{MOCK}; keepalive 1024; }}\n"
            f"server {{ listen 127.0.0.1:{NGINX} backlog=4096; location / {{ proxy_pass http://up;"
            ' proxy_http_version 1.1; proxy_set_header Connection ""; } }\n'
            f"server {{ listen 127.0.0.1:{NGINX + 100} backlog=4096; location / {{ proxy_pass http://mock;"
            ' proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; } }'
        )

    def _gateway(self, ca: str) -> None:
        static = STATIC if self.nginx else MOCK
        config = self.directory / "trunkline.yaml"
        config.write_text(
            f"listen: 127.0.0.1:{GATEWAY}\nmetrics_listen: 127.0.0.1:{GATEWAY + 1}\nworkers: 1\n"
            f"store: sqlite:///{self.directory}/trunkline.db\nstate_dir: {self.directory}/state\ndrain: {{grace: 0s}}\n"
            "providers:\n"
            "  openai: {api_key: bench-key}\n"
            f"  tls: {{type: openai, api_key: bench-key, tls: {{ca: {ca}}}}}\n"
            "deployments:\n"
            f"  small: {{provider: openai, model: bench, base_url: 'http://127.0.0.1:{static}/v1'}}\n"
            f"  streams: {{provider: openai, model: bench, base_url: 'http://127.0.0.1:{MOCK}/v1', {MANY}}}\n"
            f"  tls: {{provider: tls, model: bench, base_url: 'https://127.0.0.1:{MOCK_TLS}/v1', {MANY}}}\n"
            "routes:\n  small: {use: [small]}\n  bench: {use: [streams]}\n  tls: {use: [tls]}\n"
        )
        cli = [sys.executable, "-m", "trunkline.cli"]
        made = subprocess.run(
            [*cli, "keys", "create", "--config", str(config), "--name", "bench", "--json"],
            capture_output=True,
            check=True,
        )
        self.key = json.loads(made.stdout)["key"]
        log = (self.directory / "gateway.log").open("wb")
        self.gateway = pinned(UNDER_TEST, [*cli, "serve", "--config", str(config)], stderr=log)
        self.running.append(self.gateway)
        self.wait(f"http://127.0.0.1:{GATEWAY}/readyz")

    def wait(self, url: str) -> None:
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"the gateway did not become ready; see {self.directory}/gateway.log")

    def _certificate(self) -> tuple[str, str]:

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
        now = datetime.datetime.now(datetime.UTC)
        cert = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )
        pem = self.directory / "bench.pem"
        secret = self.directory / "bench.key"
        pem.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(pem), str(secret)
