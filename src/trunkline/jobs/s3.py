"""Copies of results in an S3-compatible bucket, over our own transport: small ones in one request, large ones in parts of
8 MiB, so that no result has to fit into memory. Failures are OSError with words."""

from __future__ import annotations

import hashlib
import re

from trunkline.jobs.contract import Ground, S3Settings
from trunkline.jobs.fetch import Fetched, fetch
from trunkline.jobs.s3_signing import EMPTY, UNSIGNED, Signing, path_of, query_of, signed
from trunkline.providers.addresses import origin_of
from trunkline.transport.contract import Outbound
from trunkline.types.fleet import Tls
from trunkline.types.wire import Headers, header

PART = 8 << 20
PATIENCE = 120.0  # seconds for one part
TRIES = 3

_UPLOAD = re.compile(rb"<UploadId>([^<]{1,1024})</UploadId>")


class Bucket:
    """One bucket, addressed by path."""

    def __init__(self, ground: Ground, settings: S3Settings) -> None:
        self._ground = ground
        self._settings = settings
        self._origin = origin_of(settings.endpoint)
        self._signing = Signing(access_key=settings.access_key, secret_key=settings.secret_key, region=settings.region)

    def key_of(self, name: str) -> str:
        return f"{self._settings.prefix}{name}"

    def request(
        self,
        method: str,
        key: str,
        query: list[tuple[str, str]] | None = None,
        body: bytes = b"",
        extra: Headers | None = None,
    ) -> Outbound:
        """Signed for now."""
        path, words = path_of(self._settings.bucket, key), query_of(query or [])
        if not body:
            payload = EMPTY
        else:
            payload = UNSIGNED if self._origin.scheme == "https" else hashlib.sha256(body).hexdigest()
        headers = signed(self._signing, method, self._origin.authority, (path, words), payload, self._ground.wall())
        return Outbound(
            origin=self._origin,
            method=method.encode(),
            target=f"{path}?{words}".encode() if words else path.encode(),
            headers=[*(extra or []), *headers],
            body=body,
            tls=Tls(),
            connect_timeout=5.0,
        )

    async def ask(
        self,
        method: str,
        key: str,
        query: list[tuple[str, str]] | None = None,
        body: bytes = b"",
        extra: Headers | None = None,
    ) -> Fetched:
        """Tried again when the server fails or cannot be reached: every request here may be repeated."""
        problem = ""
        for _ in range(TRIES):
            request = self.request(method, key, query, body, extra)
            found = await fetch(self._ground.upstreams, request, patience=PATIENCE)
            if found.answered and found.status < 500:
                if found.status >= 300:
                    raise OSError(f"the bucket answered {method} with status {found.status}")
                return found
            problem = found.fault.message if found.fault is not None else f"status {found.status}"
        raise OSError(f"the bucket cannot be reached: {problem}")

    async def delete(self, name: str) -> None:
        await self.ask("DELETE", name)


class Upload:
    """One object on its way."""

    def __init__(self, bucket: Bucket, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._key = key
        self._type: Headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
        self._waiting = bytearray()
        self._id = ""
        self._tags: list[str] = []
        self._hash = hashlib.sha256()
        self.size = 0

    async def write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._waiting += data
        while len(self._waiting) >= PART:
            part = bytes(self._waiting[:PART])
            del self._waiting[:PART]
            await self._part(part)

    async def _part(self, part: bytes) -> None:
        if not self._id:
            begun = await self._bucket.ask("POST", self._key, [("uploads", "")], extra=self._type)
            found = _UPLOAD.search(begun.body)
            if found is None:
                raise OSError("the bucket gave no upload id")
            self._id = found[1].decode("latin-1")
        number = str(len(self._tags) + 1)
        done = await self._bucket.ask("PUT", self._key, [("partNumber", number), ("uploadId", self._id)], part)
        tag = header(done.headers, b"etag")
        if tag is None:
            raise OSError("the bucket gave no ETag for a part")
        self._tags.append(tag.decode("latin-1"))

    async def finish(self) -> str:
        """SHA-256 in hex."""
        if not self._id:
            await self._bucket.ask("PUT", self._key, body=bytes(self._waiting), extra=self._type)
            return self._hash.hexdigest()
        if self._waiting:
            await self._part(bytes(self._waiting))
        parts = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(self._tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        done = await self._bucket.ask("POST", self._key, [("uploadId", self._id)], body)
        if b"<Error>" in done.body:  # S3 says so with status 200
            raise OSError("the bucket did not put the parts together")
        return self._hash.hexdigest()

    async def discard(self) -> None:
        if self._id:
            upload, self._id = self._id, ""
            await self._bucket.ask("DELETE", self._key, [("uploadId", upload)])
