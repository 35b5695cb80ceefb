"""`ledger: {url: s3://…}` against a server of buckets on this machine: runs write there, questions find it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from revetl.engine.pruning import prune
from revetl.engine.records import verify_records
from revetl.engine.workspace import load
from revetl.errors import ConfigError, TryLater
from tests.e2e.house import House, sent_rows

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
