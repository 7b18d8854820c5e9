"""A small S3-compatible server on loopback for tests: objects, ranges, parts. Every request's signature is checked with
botocore's own signer, which shares nothing with ours."""

from __future__ import annotations

import datetime
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS, SECRET, REGION = "test-access", "test-secret", "us-east-1"


class S3Server:
    """`objects` by path; `fail` answers that many next requests with 503; `wrong` counts bad signatures."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.aborted: list[str] = []
        self.fail = 0
        self.wrong = 0
        self.largest = 0
        self.lock = threading.Lock()
        server = self

        class Handler(_Handler):
            s3 = server

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    s3: S3Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.s3.lock:
            self.s3.largest = max(self.s3.largest, len(body))
            if self.s3.fail > 0:
                self.s3.fail -= 1
                self.say(503, b"<Error/>")
            elif not self.good(body):
                self.s3.wrong += 1
                self.say(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
            else:
                self.serve(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

    def good(self, body: bytes) -> bool:
        payload = self.headers["x-amz-content-sha256"]
        if payload != hashlib.sha256(body).hexdigest():
            return False
        request = AWSRequest(method=self.command, url=f"http://{self.headers['host']}{self.path}", data=body)
        request.headers["X-Amz-Content-SHA256"] = payload
        moment = datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
            S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", REGION).add_auth(request)
        return str(request.headers["Authorization"]) == self.headers["authorization"]

    def serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        name, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        upload = query.get("uploadId", [""])[0]
        match self.command:
            case "POST" if "uploads" in query:
                upload = f"up/{len(self.s3.uploads)}+1"
                self.s3.uploads[upload] = {}
                self.s3.types[name] = self.headers.get("content-type", "")
                self.say(200, f"<R><UploadId>{upload}</UploadId></R>".encode())
            case "PUT" if upload:
                self.s3.uploads[upload][int(query["partNumber"][0])] = body
                self.say(200, b"", etag=f'"{hashlib.md5(body).hexdigest()}"')
            case "POST" if upload:
                numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)<", body)]
                made = self.s3.uploads.pop(upload)
                assert numbers == sorted(made)
                self.s3.objects[name] = b"".join(made[n] for n in numbers)
                self.say(200, b"<R/>")
            case "DELETE" if upload:
                self.s3.uploads.pop(upload, None)
                self.s3.aborted.append(upload)
                self.say(204, b"")
            case "PUT":
                self.s3.objects[name] = body
                self.s3.types[name] = self.headers.get("content-type", "")
                self.say(200, b"", etag='"x"')
            case "DELETE":
                self.s3.objects.pop(name, None)
                self.say(204, b"")
            case _:
                self.get(name)

    def get(self, name: str) -> None:
        data = self.s3.objects.get(name)
        if data is None:
            self.say(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        kind = self.s3.types[name]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if found is None:
            self.say(200, data, kind=kind)
            return
        first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        self.say(206, data[first : last + 1], kind=kind, span=f"bytes {first}-{last}/{len(data)}")

    def say(self, status: int, body: bytes, *, kind: str = "application/xml", etag: str = "", span: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in (("etag", etag), ("content-range", span)):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
