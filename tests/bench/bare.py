"""What revetl's rates are measured against: httpx, with the bodies ready, and nothing to decide or to remember."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Sequence

import httpx

from revetl.contract import Http

_TRUST = ssl.create_default_context()  # made before any clock runs, as the sender's is: one takes 15 ms


def loop_seconds(origin: str, calls: Sequence[Http]) -> float:
    """Return how long one client takes that has one call in flight."""
    with httpx.Client(base_url=_host(origin), trust_env=False, verify=_TRUST) as client:
        began = time.perf_counter()
        for call in calls:
            _post(client, call)
        return time.perf_counter() - began


def threads_seconds(origin: str, calls: Sequence[Http], in_flight: int) -> float:
    """Return how long as many threads take, each with a client of its own."""
    todo: queue.SimpleQueue[Http | None] = queue.SimpleQueue()
    for call in (*calls, *[None] * in_flight):
        todo.put(call)

    def work() -> None:
        with httpx.Client(base_url=_host(origin), trust_env=False, verify=_TRUST, timeout=60) as client:
            while (call := todo.get()) is not None:
                _post(client, call)

    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _host(origin: str) -> str:
    """Return an origin without its path: recorded calls have the full one."""
    return str(httpx.URL(origin).copy_with(path="/"))


def _post(client: httpx.Client, call: Http) -> None:
    headers = [("content-type", call.content_type), *call.headers]
    reply = client.post(call.path, content=call.content, headers=headers)
    assert reply.is_success, reply.text
