"""Stand-ins over real connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from revetl.errors import UsageError
from revetl.sandbox import Fault, make
from revetl.sandbox.process import start_process
from revetl.sandbox.server import Server, serve

HUBSPOT = {"Authorization": "Bearer sandbox"}
MAILCHIMP = ("anyone", "sandbox-us1")
UPSERT = {"inputs": [{"id": "ada@example.org", "idProperty": "email", "properties": {"firstname": "Ada"}}]}
URL = "/crm/v3/objects/contacts/batch/upsert"


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server of both stand-ins in a thread."""
    with serve([make("hubspot"), make("mailchimp")]) as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Return an HTTP client that asks no proxy."""
    with httpx.Client(trust_env=False, timeout=10) as made:
        yield made


def test_each_stand_in_has_its_own_path(server: Server, client: httpx.Client) -> None:
    """/hubspot and /mailchimp lead to different stand-ins, with their own credentials."""
    reply = client.post(server.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT)
    assert (reply.status_code, reply.json()["results"][0]["new"]) == (200, True)
    assert reply.headers["X-HubSpot-RateLimit-Max"] == "190"
    account = client.get(server.origin("mailchimp") + "/3.0/", auth=MAILCHIMP)
    assert account.json()["total_subscribers"] == 0
    assert client.get(server.origin("mailchimp") + "/3.0/").status_code == 401
    assert client.get(f"http://127.0.0.1:{server.port}/salesforce/").status_code == 404


def test_encoded_addresses_arrive(server: Server, client: httpx.Client) -> None:
    """An address with a plus and a slash in the path means the one that was written."""
    email = "a+b/c@example.org"
    members = server.origin("mailchimp") + "/3.0/lists/sandbox/members"
    assert (
        client.post(members, json={"email_address": email, "status": "subscribed"}, auth=MAILCHIMP).status_code == 200
    )
    found = client.get(members + "/a%2Bb%2Fc%40example.org", auth=MAILCHIMP)
    assert found.json()["email_address"] == email


def test_dropped_connection_reaches_the_caller(server: Server, client: httpx.Client) -> None:
    """A fault that drops the connection after the effect is a transport error there, and the record stands."""
    server.sandboxes["hubspot"].inject(Fault(drop=True, applied=True))
    with pytest.raises(httpx.TransportError):
        client.post(server.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT)
    again = client.post(server.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT)
    assert again.json()["results"][0]["new"] is False


def test_eleven_connections_at_once_are_one_too_many(server: Server) -> None:
    """Mailchimp refuses what goes beyond ten requests in flight, and only that."""
    url, box, go = server.origin("mailchimp") + "/3.0/ping", server.sandboxes["mailchimp"], threading.Event()

    def ask(body: Iterable[bytes] = ()) -> int:
        return httpx.request("GET", url, content=body, auth=MAILCHIMP, trust_env=False, timeout=60).status_code

    def unfinished() -> Iterator[bytes]:
        """Keep a request in flight: its head has arrived, the end of its body has not."""
        yield b"-"
        assert go.wait(60)

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(ask, unfinished()) for _ in range(10)]
        try:
            wait_until(lambda: box.in_flight == 10)
            assert ask() == 429
        finally:
            go.set()
        assert [one.result() for one in asked] == [200] * 10
    assert ask() == 200


def wait_until(so: Callable[[], bool]) -> None:
    """Return once it is so; a server that never gets there is a failure."""
    until = time.monotonic() + 60
    while not so():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_control_plane_over_http(server: Server, client: httpx.Client) -> None:
    """Tests and the demo look inside through the same port."""
    origin = server.origin("hubspot")
    client.post(origin + "/__sandbox/inject", json={"status": 503, "headers": {"Retry-After": "1"}})
    refused = client.post(origin + URL, json=UPSERT, headers=HUBSPOT)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert [one["status"] for one in client.get(origin + "/__sandbox/journal").json()] == [503]
    assert client.get(origin + "/__sandbox/state").json()["sandbox"] == "hubspot"
    assert client.post(origin + "/__sandbox/reset").status_code == 204


def test_foreign_host_names_are_refused(server: Server, client: httpx.Client) -> None:
    """A page that points its own name at this machine gets nothing."""
    reply = client.get(server.origin("hubspot") + "/__sandbox/state", headers={"Host": "evil.example.net"})
    assert reply.status_code == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_loopback_only(host: str) -> None:
    """A stand-in is never served to the network."""
    with pytest.raises(UsageError, match="RVT-684"), serve([make("hubspot")], host=host):
        pass


def test_taken_port_is_named(server: Server) -> None:
    """A port in use is RVT-684."""
    with pytest.raises(UsageError, match="RVT-684"), serve([make("hubspot")], port=server.port):
        pass


def test_process_keeps_its_accounts(client: httpx.Client, tmp_path: Path) -> None:
    """What one process received stands in the next, by the state file; options reach the stand-in."""
    state = tmp_path / "state.json"
    with start_process(["mailchimp", "hubspot"], state) as running:
        assert client.post(running.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT).status_code == 200
        assert client.get(running.origin("mailchimp") + "/3.0/ping", auth=MAILCHIMP).status_code == 200
    assert set(orjson.loads(state.read_bytes())) == {"mailchimp", "hubspot"}
    with start_process(["hubspot"], state, options={"hubspot": {"burst": 1}}) as running:
        again = client.post(running.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT)
        assert again.json()["results"][0]["new"] is False
        assert client.post(running.origin("hubspot") + URL, json=UPSERT, headers=HUBSPOT).status_code == 429


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, "eof"])
def test_process_ends_quietly(tmp_path: Path, how: Any) -> None:
    """SIGTERM, SIGINT and the end of its input let the process write its state, say nothing and exit 0."""
    state = tmp_path / "state.json"
    command = [sys.executable, "-m", "revetl.sandbox", "--until-eof", "--state", str(state), "hubspot"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        ready = orjson.loads(process.stdout.readline())
        assert ready["origins"]["hubspot"] == f"http://127.0.0.1:{ready['port']}/hubspot"
        if how == "eof":
            process.stdin.close()
        else:
            os.kill(process.pid, how)
        assert process.wait(10) == 0
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert state.exists()


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [(["nope"], {}, "RVT-680"), (["hubspot"], {"hubspot": {"x": 1}}, "RVT-681")],
)
def test_process_that_does_not_start_says_why(names: list[str], options: dict[str, Any], code: str) -> None:
    """The reason why the process ended is in the error."""
    with pytest.raises(UsageError, match=f"RVT-682.*{code}"), start_process(names, options=options):
        pass
