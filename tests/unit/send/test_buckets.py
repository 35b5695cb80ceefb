"""Files in a bucket: whole objects, or a failure that says why, before a server that speaks as S3 does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from revetl.contract import PutFile, Reply
from revetl.send.files import FileCarrier
from revetl.send.wire import Failure
from tests.unit.send.stand import destination, lane

ROWS = ({"id": 1, "name": "Žofie"}, {"id": 2, "name": None})
TEXT = '{"id":1,"name":"Žofie"}\n{"id":2,"name":null}\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Bucket(BaseHTTPRequestHandler):
    """One bucket, ``lake``, of the key ``canary-k1``: an object is there once its upload is complete."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    parts: ClassVar[dict[str, bytes]] = {}
    broken: ClassVar[str] = ""  # the call that fails: its query

    def answer(self) -> None:
        """Answer a call of a multipart upload, or one PUT."""
        body = self._body()
        path, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        bucket, _, key = unquote(path.path).lstrip("/").partition("/")
        if "Credential=canary-k1/" not in self.headers.get("authorization", ""):
            return self._fail(403, "AccessDenied")
        if bucket != "lake":
            return self._fail(404, "NoSuchBucket")
        if self.broken and self.broken in path.query:
            return self._fail(500, "InternalError")
        match self.command, [*asked]:
            case "POST", ["uploads"]:
                self._say(f'<InitiateMultipartUploadResult xmlns="{NAMESPACE}"><UploadId>u1</UploadId>'
                          "</InitiateMultipartUploadResult>")  # fmt: skip
            case "PUT", ["partNumber", "uploadId"]:
                self.parts[key] = body
                self._say("")
            case "POST", ["uploadId"]:
                self.objects[key] = self.parts.pop(key)
                self._say(f'<CompleteMultipartUploadResult xmlns="{NAMESPACE}"/>')
            case "DELETE", ["uploadId"]:
                self.parts.pop(key, None)
                self._say("")
            case "PUT", []:
                self.objects[key] = body
                self._say("")
            case _:
                self._fail(405, "MethodNotAllowed")
        return None

    do_PUT = do_POST = do_DELETE = do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server asks for

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        found = b"".join(self._chunks())
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return found
        size, _, rest = found.partition(b"\r\n")
        return rest[: int(size.partition(b";")[0], 16)]

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _say(self, text: str, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("ETag", '"e1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: int, code: str) -> None:
        self._say(f"<Error><Code>{code}</Code><Message>canary-m1</Message></Error>", status)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the query of URLs of a bucket that is served for the test."""
    for name in ("objects", "parts"):
        monkeypatch.setattr(Bucket, name, {})
    told = {"AWS_ACCESS_KEY_ID": "canary-k1", "AWS_SECRET_ACCESS_KEY": "canary-s1", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {**told, "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
        server.shutdown()


def put(url: str, name: str = "test.customer/x 1.jsonl") -> Reply | Failure:
    """Write a file to a bucket."""
    return FileCarrier().perform(lane(replace(destination(), base_url=lambda _: url)), PutFile(name, ROWS))


def test_an_object_appears_whole(place: str) -> None:
    """Under the prefix, with the file's name; a repeat takes its place, and no upload is left open."""
    for _ in range(2):
        reply = put(f"s3://lake/out?{place}")
        assert isinstance(reply, Reply), reply
        assert reply.json() == {"rows": 2, "bytes": len(TEXT.encode())}
        assert {key: data.decode() for key, data in Bucket.objects.items()} == {"out/test.customer/x 1.jsonl": TEXT}
        assert Bucket.parts == {}


@pytest.mark.parametrize(
    ("url", "code"), [("s3://elsewhere/out", "NO_SUCH_BUCKET"), ("s3://lake/out", "ACCESS_DENIED")]
)
def test_what_stays_refused_ends_the_lane(place: str, url: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and buckets do not mend themselves; neither keys nor the service's own words are shown."""
    if code == "ACCESS_DENIED":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-k2")
    failure = put(f"{url}?{place}")
    assert isinstance(failure, Failure)
    assert (failure.code, failure.fatal, failure.again, code in failure.what) == ("RVT-620", True, False, True)
    assert "canary" not in failure.what


def test_an_upload_that_breaks_off_leaves_the_old_object(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be tried again, and nobody reads half of it."""
    Bucket.objects["out/x.jsonl"] = b"old"
    monkeypatch.setattr(Bucket, "broken", "partNumber")
    failure = put(f"s3://lake/out?{place}", "x.jsonl")
    assert isinstance(failure, Failure)
    assert (failure.code, failure.fatal, failure.again) == ("RVT-604", False, True)
    assert Bucket.objects == {"out/x.jsonl": b"old"}


def test_no_object_leaves_its_prefix(place: str) -> None:
    """Names that lead elsewhere are refused before anything is sent."""
    failure = put(f"s3://lake/out?{place}", "../x.jsonl")
    assert isinstance(failure, Failure)
    assert (failure.code, failure.fatal, Bucket.objects) == ("RVT-620", True, {})
