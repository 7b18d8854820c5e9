"""Signature Version 4, judged by botocore."""

from __future__ import annotations

import datetime
import hashlib
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from trunkline.jobs.s3_signing import EMPTY, Signing, path_of, query_of, signed

WALL = 1_790_000_000.0
SIGNING = Signing(
    access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region="eu-central-1"
)


def judged(method: str, url: str, body: bytes) -> str:
    """The Authorization header that botocore makes for the same request at the same time."""
    request = AWSRequest(method=method, url=url, data=body)
    request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    moment = datetime.datetime.fromtimestamp(WALL, datetime.UTC)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None)):
        S3SigV4Auth(Credentials(SIGNING.access_key, SIGNING.secret_key), "s3", SIGNING.region).add_auth(request)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize(
    ("method", "key", "query", "body"),
    [
        ("GET", "a.mp4", [], b""),
        ("PUT", "films/0a/1b.mp4", [], b"film"),
        ("POST", "films/x y+z~ä.mp4", [("uploads", "")], b""),
        ("PUT", "f.mp4", [("partNumber", "12"), ("uploadId", "a/b+c=d e")], b"part"),
        ("DELETE", "f.mp4", [("uploadId", "u")], b""),
    ],
)
def test_our_signature_is_botocores(method: str, key: str, query: list[tuple[str, str]], body: bytes) -> None:
    path, words = path_of("my-bucket", key), query_of(query)
    url = f"https://s3.example:9000{path}" + (f"?{words}" if words else "")
    payload = hashlib.sha256(body).hexdigest() if body else EMPTY
    ours = dict(signed(SIGNING, method, "s3.example:9000", (path, words), payload, WALL))
    assert ours[b"authorization"].decode() == judged(method, url, body)


def test_the_secret_is_not_shown() -> None:
    assert "wJalr" not in repr(SIGNING)
