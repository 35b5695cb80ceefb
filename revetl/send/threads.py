"""The wire of production: daemon threads, each with its own connections."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Callable

from revetl.contract import Call, Http, PutFile, Reply
from revetl.send.files import FileCarrier
from revetl.send.http import HttpCarrier
from revetl.send.network import DIRECT, Network
from revetl.send.ports import Lane
from revetl.send.sql import SqlCarrier
from revetl.send.wire import Completion, Failure

_Task = tuple[int, Lane, Call]
_Rest = Callable[["_Worker"], None]


class ThreadWire:
    """As many threads as calls were ever in flight together; the last one to become idle is the first to work again,
    so that few connections are kept warm. A shared asynchronous client was measured at a twelfth of the throughput.
    """

    def __init__(self, context: ssl.SSLContext | None = None, network: Network = DIRECT) -> None:
        """Trust and leave as ``network`` says, or trust what ``context`` does; never what the environment says."""
        self._context = context or network.trust()
        self._network = network
        self._done: queue.SimpleQueue[Completion] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._workers: list[_Worker] = []

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Hand the call to an idle thread, or to a new one."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = _Worker(self._context, self._network, self._done, self._rest)
            self._workers.append(worker)
            worker.start()
        worker.inbox.put((ticket, lane, call))

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return completions, waiting up to ``timeout`` seconds for the first."""
        try:
            found = [self._done.get(timeout=timeout)]
        except queue.Empty:
            return []
        while True:
            try:
                found.append(self._done.get_nowait())
            except queue.Empty:
                return found

    def now(self) -> float:
        """Return UTC epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """End idle threads; busy ones end with their call, or with the process."""
        for worker in self._workers:
            worker.inbox.put(None)
        self._workers.clear()

    def _rest(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)


class _Worker(threading.Thread):
    def __init__(
        self, context: ssl.SSLContext, network: Network, done: queue.SimpleQueue[Completion], rest: _Rest
    ) -> None:
        super().__init__(name="revetl-send", daemon=True)
        self.inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._done = done
        self._rest = rest
        self._http = HttpCarrier(context, network=network)
        self._files = FileCarrier()
        self._sql = SqlCarrier()

    def run(self) -> None:
        """Perform calls until told to end."""
        while (task := self.inbox.get()) is not None:
            ticket, lane, call = task
            began = time.monotonic()
            result = self._perform(lane, call)
            seconds = time.monotonic() - began
            self._rest(self)  # before the completion is seen: who submits next finds this thread idle
            if isinstance(result, Reply):
                self._done.put(Completion(ticket, reply=result, seconds=seconds))
            else:
                self._done.put(Completion(ticket, failure=result, seconds=seconds))
        self._http.close()
        self._sql.close()

    def _perform(self, lane: Lane, call: Call) -> Reply | Failure:
        match call:
            case Http():
                return self._http.perform(lane, call)
            case PutFile():
                return self._files.perform(lane, call)
        return self._sql.perform(lane, call)
