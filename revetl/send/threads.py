"""The wire of production: daemon threads, each with its own connections."""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from revetl.contract import Call, Http, PutFile, Reply
from revetl.send.files import FileCarrier
from revetl.send.http import HttpCarrier
from revetl.send.network import DIRECT, Network
from revetl.send.ports import Lane
from revetl.send.sql import SqlCarrier
from revetl.send.wire import HELD, Completion, Failure, is_success

_Task = tuple[int, Lane, Call]
_Result = Reply | Failure
_Next = Callable[["_Worker", Lane, _Result], tuple[_Task | None, Sequence[int]]]
_Done = queue.SimpleQueue[tuple[Lane, Completion]]


@dataclass(slots=True)
class _Account:
    """Its calls: how many are under way, how many may be, and those that follow."""

    under_way: int = 0
    most: int = 0
    unseen: int = 0  # results that are no success, and that nobody has collected
    queued: deque[_Task] = field(default_factory=deque)

    def hold(self) -> Sequence[int]:
        """Let none of those that are queued begin; return their tickets."""
        held = [ticket for ticket, _, _ in self.queued]
        self.queued.clear()
        return held


class ThreadWire:
    """As many threads as calls were ever in flight together; the last one to become idle is the first to work again,
    so that few connections are kept warm. A shared asynchronous client was measured at a twelfth of the throughput.

    A thread whose call came back well goes on with one that is queued: no slot waits for whoever reads the reply.
    """

    queues = True

    def __init__(self, context: ssl.SSLContext | None = None, network: Network = DIRECT) -> None:
        """Trust and leave as ``network`` says, or trust what ``context`` does; never what the environment says."""
        self._context = context or network.trust()
        self._network = network
        self._done: _Done = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._workers: list[_Worker] = []
        self._accounts: dict[str, _Account] = {}

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Hand the call to an idle thread, or to a new one."""
        with self._lock:
            self._start(self._account(lane), (ticket, lane, call))

    def queue(self, ticket: int, lane: Lane, call: Call, most: int) -> None:
        """Keep the call for the next thread of its account that has done well; start as many as may be under way."""
        with self._lock:
            account = self._account(lane)
            account.most = most
            if account.unseen:
                self._done.put((lane, Completion(ticket, failure=HELD)))
                return
            account.queued.append((ticket, lane, call))
            while account.queued and account.under_way < most:
                self._start(account, account.queued.popleft())

    def recall(self) -> list[Completion]:
        """Take back what no thread has begun."""
        with self._lock:
            return [Completion(ticket, failure=HELD) for one in self._accounts.values() for ticket in one.hold()]

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return completions, waiting up to ``timeout`` seconds for the first."""
        try:
            found = [self._done.get(timeout=timeout)]
        except queue.Empty:
            return []
        with suppress(queue.Empty):
            while True:
                found.append(self._done.get_nowait())
        for lane, completion in found:
            if not is_success(completion.reply) and completion.failure is not HELD:
                with self._lock:
                    self._account(lane).unseen -= 1
        return [completion for _, completion in found]

    def now(self) -> float:
        """Return UTC epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def close(self) -> None:
        """End idle threads; busy ones end with their call, or with the process."""
        self.recall()
        for worker in self._workers:
            worker.inbox.put(None)
        self._workers.clear()

    def _account(self, lane: Lane) -> _Account:
        return self._accounts.setdefault(lane.account, _Account())

    def _start(self, account: _Account, task: _Task) -> None:
        account.under_way += 1
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = _Worker(self._context, self._network, self._done, self._next)
            self._workers.append(worker)
            worker.start()
        worker.inbox.put(task)

    def _next(self, worker: _Worker, lane: Lane, result: _Result) -> tuple[_Task | None, Sequence[int]]:
        """Return what a thread does after a call, and the tickets of those that are held because of its result."""
        with self._lock:
            account = self._account(lane)
            held: Sequence[int] = ()
            if not is_success(result):
                account.unseen += 1
                held = account.hold()
            if account.queued and account.under_way <= account.most:
                return account.queued.popleft(), held
            account.under_way -= 1
            self._idle.append(worker)  # before the completion is seen: who submits next finds this thread idle
            return None, held


class _Worker(threading.Thread):
    def __init__(self, context: ssl.SSLContext, network: Network, done: _Done, then: _Next) -> None:
        super().__init__(name="revetl-send", daemon=True)
        self.inbox: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._done = done
        self._then = then
        self._http = HttpCarrier(context, network=network)
        self._files = FileCarrier()
        self._sql = SqlCarrier()

    def run(self) -> None:
        """Perform calls until told to end."""
        task = self.inbox.get()
        while task is not None:
            task = self._carry(*task) or self.inbox.get()
        self._http.close()
        self._sql.close()

    def _carry(self, ticket: int, lane: Lane, call: Call) -> _Task | None:
        """Perform a call and tell what came of it; return the call to go on with."""
        began = time.monotonic()
        result = self._perform(lane, call)
        seconds = time.monotonic() - began
        following, held = self._then(self, lane, result)
        if isinstance(result, Reply):
            self._done.put((lane, Completion(ticket, reply=result, seconds=seconds)))
        else:
            self._done.put((lane, Completion(ticket, failure=result, seconds=seconds)))
        for other in held:
            self._done.put((lane, Completion(other, failure=HELD)))
        return following

    def _perform(self, lane: Lane, call: Call) -> _Result:
        match call:
            case Http():
                return self._http.perform(lane, call)
            case PutFile():
                return self._files.perform(lane, call)
        return self._sql.perform(lane, call)
