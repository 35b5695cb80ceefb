"""`ledger: {url: s3://…}` and `gs://…` against servers of buckets on this machine: runs write, questions find it."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer
from pyarrow import fs, parquet

from revetl.engine.forgetting import forget, meant
from revetl.engine.pruning import prune
from revetl.engine.records import verify_records
from revetl.engine.workspace import load
from revetl.errors import ConfigError, TryLater
from tests.e2e.house import CRM, MAIL, House, sent_rows

SCOPE = "x/20260101/us-east-1/s3/aws4_request"
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=, Signature="}


class Bucket:
    """A server of buckets with one bucket, ``ledgers``."""

    def __init__(self, server: ThreadedMotoServer) -> None:
        """Make the bucket."""
        self.server = server
        self.port = server.get_host_and_port()[1]
        self.ask("ledgers", "PUT")

    def ask(self, path: str, method: str = "GET") -> str:
        """Send one request."""
        with urlopen(Request(f"http://127.0.0.1:{self.port}/{path}", method=method, headers=SIGNED)) as reply:
            return str(reply.read().decode())

    def names(self) -> list[str]:
        """Return the names of the objects."""
        listing = self.ask("ledgers?list-type=2")
        return [part.partition("</Key>")[0] for part in listing.split("<Key>")[1:]]

    def url(self, bucket: str = "ledgers") -> str:
        """Return the URL as MinIO's users write it."""
        return f"s3://{bucket}/revetl?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Return a running server; credentials are in the environment, as the clouds' own tools read them."""
    for name, value in (("AWS_ACCESS_KEY_ID", "one"), ("AWS_SECRET_ACCESS_KEY", "canary-s3-5d1")):
        monkeypatch.setenv(name, value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield Bucket(server)
    finally:
        server.stop()


@pytest.fixture
def google() -> Iterator[str]:
    """Return where a running server of Google's buckets is, with the bucket ``ledgers``; it asks for no credentials."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with create_server("127.0.0.1", port, in_memory=True, default_bucket="ledgers"):
        yield f"gs://anonymous@ledgers/revetl?endpoint_override=127.0.0.1:{port}&scheme=http&retry_limit_seconds=5"


def keys_there(url: str) -> list[str]:
    """Return which customers the flows in the files there tell of."""
    files, root = fs.FileSystem.from_uri(url)
    found = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    parts = [parquet.read_table(info.path, filesystem=files, columns=["sync", "key"]) for info in found if info.is_file]
    return [flow["key"] for part in parts for flow in part.to_pylist() if flow["sync"] in {CRM, MAIL}]


def put(house: House, url: str) -> None:
    """Let the ledger lie there."""
    house.edit("revetl.yml", "version: 1\n", f"version: 1\nledger: {{url: '{url}'}}\n")


def test_a_bucket(house: House, bucket: Bucket) -> None:
    """Earlier files go there, too; log, why and the chain read it; prune rewrites it; what goes missing is noticed."""
    put(house, bucket.url())
    key, address = house.reader()
    house.sql(f"update customers set lifetime_value_band = 'Gold' where customer_id = {key}")
    assert house.sync().exit_code == 0
    assert [row["email_address"] for row in sent_rows(house.writes("mailchimp"))] == [address]
    names = bucket.names()
    assert len(names) == 2  # of the run before, which lay here, and of this one
    assert all(name.startswith("revetl/dev/") and name.endswith(".parquet") for name in names)
    assert not list((house.root / ".revetl" / "dev" / "ledger").iterdir())
    assert not list((house.root / ".revetl" / "dev" / "tmp").rglob("*.parquet"))
    assert verify_records(load(house.options())).faults == ()
    log = house.program("log", "--run", names[1].rpartition("/")[2].removesuffix(".parquet"), "--output", "json")
    assert log.returncode == 0, log.stderr
    assert {flow["key"] for flow in json.loads(log.stdout)["flows"]} == {f"[{key}]"}
    why = house.program("why", address, "--timeline", "--output", "json")
    assert why.returncode == 0, why.stderr
    assert "Gold" in why.stdout
    done = prune(load(house.options()), timedelta(0))
    assert (done.files, done.gone) == (2, 2)
    assert bucket.names() in ([], ["revetl/dev/"])
    assert verify_records(load(house.options())).faults == ()
    house.sql(f"update customers set lifetime_value_band = 'Tin' where customer_id = {key}")
    assert house.sync().exit_code == 0
    (name,) = (name for name in bucket.names() if name.endswith(".parquet"))
    bucket.ask(f"ledgers/{name}", "DELETE")
    assert len(verify_records(load(house.options())).faults) == 1


def test_no_such_bucket_and_none_there(house: House, bucket: Bucket) -> None:
    """Nothing leaves; a bucket that is not there is for a person to mend, a server that is not there for later."""
    house.sql("update customers set lifetime_value_band = 'Gold'")
    put(house, bucket.url("nobodys"))
    with pytest.raises(ConfigError) as missing:
        house.sync()
    assert missing.value.code == "RVT-517"
    house.edit("revetl.yml", bucket.url("nobodys"), bucket.url())
    bucket.server.stop()
    with pytest.raises(TryLater) as away:
        house.sync()
    assert (away.value.code, house.writes()) == ("RVT-518", [])
    assert "canary" not in str(away.value)
    bucket.server.start()


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_forgotten_and_pruned_there(house: House, kind: str, request: pytest.FixtureRequest) -> None:
    """No file there tells of who is forgotten, and of nobody after prune; the chain holds all along."""
    url = request.getfixturevalue("bucket").url() if kind == "s3" else request.getfixturevalue("google")
    put(house, url)
    number, address = house.reader(3)
    house.sql(f"update customers set lifetime_value_band = 'Gold' where customer_id = {number}")
    assert house.sync().exit_code == 0
    before = keys_there(url)
    assert before.count(f"[{number}]") > 2  # of the run before, which lay here, and of this one
    workspace = load(house.options())
    (done,) = forget(workspace, meant(workspace, address, "customer"))
    assert done.complete
    others = [key for key in keys_there(url) if not key.startswith('["forgotten')]
    assert sorted(others) == sorted(key for key in before if key != f"[{number}]")
    assert verify_records(workspace).faults == ()
    other, _ = house.reader(4)
    house.sql(f"update customers set lifetime_value_band = 'Tin' where customer_id in ({number}, {other})")
    assert house.sync().exit_code == 0
    assert keys_there(url).count(f"[{other}]") > before.count(f"[{other}]")
    assert f"[{number}]" not in keys_there(url)
    assert prune(workspace, timedelta(0)).gone > 0
    assert keys_there(url) == []
    assert verify_records(workspace).faults == ()


def test_no_such_bucket_at_google(house: House, google: str) -> None:
    """Nothing leaves, and a person has to mend it."""
    house.sql("update customers set lifetime_value_band = 'Gold'")
    put(house, google.replace("ledgers", "nobodys"))
    with pytest.raises(ConfigError) as missing:
        house.sync()
    assert (missing.value.code, house.writes()) == ("RVT-517", [])
