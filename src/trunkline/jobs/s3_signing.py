"""AWS Signature Version 4 for S3-compatible servers, in headers. Pure: the time is an argument."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from trunkline.types.wire import Headers

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest()


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """With what a request is signed."""

    access_key: str
    secret_key: str
    region: str

    def __repr__(self) -> str:
        return f"Signing({self.region})"


def path_of(bucket: str, key: str) -> str:
    """Path-style address, each segment encoded once (S3 signs it as it is sent)."""
    return "/" + quote(f"{bucket}/{key}" if key else bucket, safe="/-._~")


def query_of(pairs: list[tuple[str, str]]) -> str:
    """Sorted by name, as it is signed."""
    return "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in sorted(pairs))


def signed(signing: Signing, method: str, host: str, address: tuple[str, str], payload: str, wall: float) -> Headers:
    """Headers to add, `host` (with its port) left to the transport. `address` is path and query as they will be sent;
    `payload` is the SHA-256 of the body in hex, or UNSIGNED; `wall` is epoch seconds."""
    path, query = address
    now = datetime.fromtimestamp(wall, UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    fields = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    names = ";".join(sorted(fields))
    canonical = "\n".join(
        (method, path, query, *(f"{name}:{fields[name]}" for name in sorted(fields)), "", names, payload)
    )
    scope = f"{day}/{signing.region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + signing.secret_key.encode()
    for part in (day, signing.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={signing.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return [
        (b"x-amz-content-sha256", payload.encode()),
        (b"x-amz-date", stamp.encode()),
        (b"authorization", authorization.encode()),
    ]
