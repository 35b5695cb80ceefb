"""dbt Cloud finished a job: check who says so, fetch what dbt wrote, run `revetl sync`.

    DBT_CLOUD_WEBHOOK_SECRET=… DBT_CLOUD_TOKEN=… python receiver.py PROJECT PORT [COMMAND …]

dbt Cloud waits ten seconds for an answer and sends an event up to five times more. So the answer comes at once, the
work is done behind it, one run at a time, and an event that came before is not done again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MAX_BODY = 1_000_000
ARTIFACTS = ("manifest.json", "run_results.json")
HOST = os.environ.get("DBT_CLOUD_URL", "https://cloud.getdbt.com")  # your account's access URL
TRIES, PAUSE = 5, float(os.environ.get("PAUSE", "300"))
Event = dict[str, Any]


def signed(secret: str, body: bytes, signature: str) -> bool:
    """Return whether the Authorization header is the body's HMAC-SHA256 in hex, as dbt Cloud makes it."""
    return hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(), signature)


def wanted(event: Event) -> bool:
    """Return whether a job ended in success: that alone is worth a sync."""
    return event.get("eventType") == "job.run.completed" and event["data"].get("runStatus") == "Success"


def fetch(project: Path, event: Event) -> None:
    """Write what the run left into target/, where revetl reads it."""
    account, run = str(event["accountId"]), str(event["data"]["runId"])
    if not (re.fullmatch(r"\d+", account) and re.fullmatch(r"\d+", run)):
        raise ValueError(f"no account and run: {account[:20]!r}, {run[:20]!r}")
    (project / "target").mkdir(exist_ok=True)
    for name in ARTIFACTS:
        url = f"{HOST}/api/v2/accounts/{account}/runs/{run}/artifacts/{name}"
        token = {"Authorization": f"Token {os.environ['DBT_CLOUD_TOKEN']}"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=60) as answer:  # noqa: S310
            (project / "target" / name).write_bytes(answer.read())


def sync(project: Path, command: list[str]) -> int:
    """Run the command; try again on exit code 4 alone, for no other gets better by itself."""
    for attempt in range(1, TRIES + 1):
        code = subprocess.run(command, cwd=project, check=False).returncode  # noqa: S603
        if code != 4 or attempt == TRIES:
            break
        time.sleep(PAUSE)
    return code


def work(events: queue.Queue[Event], project: Path, command: list[str]) -> None:
    """Do one event after the other; what goes wrong is said, and the next one is done."""
    while True:
        event = events.get()
        try:
            fetch(project, event)
            print(f"run {event['data']['runId']}: exit code {sync(project, command)}", flush=True)
        except (OSError, KeyError, ValueError) as error:
            print(f"event {event.get('eventId')}: {error}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Takes events; everything else is refused."""

    events: queue.Queue[Event]
    seen: set[str]

    def do_POST(self) -> None:
        """Take one event."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if 0 < length <= MAX_BODY else b""
        secret = os.environ["DBT_CLOUD_WEBHOOK_SECRET"]
        if not body or not signed(secret, body, self.headers.get("Authorization", "")):
            self._answer(401)
            return
        event = json.loads(body)
        identity = str(event.get("eventId"))
        if wanted(event) and identity not in self.seen:
            self.seen.add(identity)
            self.events.put(event)
        self._answer(202)

    def _answer(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main(project: Path, port: int, command: list[str]) -> None:
    """Serve on this machine alone: a proxy with TLS stands before it."""
    Receiver.events, Receiver.seen = queue.Queue(), set()
    threading.Thread(target=work, args=(Receiver.events, project, command), daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or ["revetl", "sync", "--quiet"])
