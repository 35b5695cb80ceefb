"""A stand-in of Sailthru's API: one account with its users, natural lists and bulk update jobs.

Facts come from the vendor's developer pages (technical details, responses, user, job, list, settings) and from recorded
traffic. Not served: sends, campaigns, content, purchases, events, exports, jobs other than ``update`` with a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.sailthru import bulk, people, signed
from revetl.sandbox.sailthru.problems import problem
from revetl.sandbox.sailthru.profiles import make_list
from revetl.sandbox.wire import Answer, Handler, RefusedError, Request, answer
from revetl.types import EMPTY, JSON

HANDLERS: Mapping[str, Handler] = {
    "GET /user": people.show,
    "POST /user": people.change,
    "DELETE /user": people.delete,
    "GET /list": people.lists,
    "POST /list": people.make,
    "GET /job": bulk.status,
    "POST /job": bulk.start,
    "GET /settings": people.settings,
}
RATES: Mapping[str, int] = {"POST /user": 18_000, "GET": 18_000, "POST": 2_400, "DELETE": 2_400}  # a minute


class Sailthru(Sandbox):
    """Sailthru with one account."""

    name = "sailthru"

    def __init__(
        self,
        *,
        api_key: str = "sandbox",
        secret: str = "sandbox",  # noqa: S107  # the stand-in's own
        extid: bool = True,
        lists: Iterable[Mapping[str, JSON]] = (),
        suppressed: Mapping[str, int] = EMPTY,
        jobs: Mapping[str, JSON] = EMPTY,
        refused_ip: bool = False,
        rates: Mapping[str, int] = EMPTY,
        **base: Any,
    ) -> None:
        """Make an account.

        ``extid``: whether users may be found by it, which Sailthru switches on for an account. ``lists`` (rows with
        ``name`` and perhaps ``type``) are there from the start. ``suppressed``: address → number of the refusal.
        ``jobs``: one works through its file in ``seconds``, stops half-way where ``fail``, and links its errors where
        ``reports``. ``rates``: calls a minute by method and endpoint (``GET /user``), or by method.
        """
        self.api_key, self.secret = api_key, secret
        self.refused_ip = refused_ip
        self._lists = [dict(one) for one in lists]
        self._rates = {**RATES, **rates}
        self._counted: dict[str, tuple[int, int]] = {}  # method and endpoint → (minute, calls)
        how = {"seconds": 0.0, "fail": False, "reports": False, **jobs}
        super().__init__(options={"extid": extid, "suppressed": dict(suppressed), "jobs": how}, **base)

    def fresh(self) -> dict[str, JSON]:
        """Return an account without users."""
        self.store = {
            "users": {}, "index": {"email": {}, "extid": {}, "sms": {}}, "lists": {}, "jobs": {},
            "next_user": 1, "next_list": 1, "next_job": 1,
        }  # fmt: skip
        for one in self._lists:
            make_list(self, str(one["name"]), str(one.get("type", "normal")))
        return self.store

    def respond(self, request: Request) -> Answer:
        """Let jobs work on, count the call, check its signature, then do what is asked."""
        bulk.advance(self)
        if request.method == "GET" and request.path.startswith(bulk.REPORTS):
            return bulk.report(self, request)
        headers, full = self._count(f"{request.method} {request.path}")
        try:
            given = self._answer(request, full=full)
        except RefusedError as refused:
            given = self.refuse(refused)
        return replace(given, headers={**given.headers, **headers})

    def refuse(self, refused: RefusedError) -> Answer:
        """Return the refusal as number and sentence."""
        return answer(refused.status, refused.payload)

    def _answer(self, request: Request, *, full: bool) -> Answer:
        handler = HANDLERS.get(f"{request.method} {request.path}")
        if handler is None:
            if any(line.partition(" ")[2] == request.path for line in HANDLERS):
                raise problem(405, 1, f"Unsupported HTTPS method: {request.method}")
            raise problem(404, 99, f"Unknown API call: {request.path}")
        if full:
            words = f"Too many {request.method} requests this minute to {request.path} API"
            raise problem(429, 43, words)
        if self.refused_ip:
            raise problem(403, 4, "Disallowed IP")
        return handler(self, signed.read(request, self.api_key, self.secret))

    def _count(self, line: str) -> tuple[dict[str, str], bool]:
        """Return the headers of a call, and whether it is one too many in this minute of the clock."""
        most = self._rates.get(line, self._rates.get(line.partition(" ")[0], RATES["POST"]))
        minute = int(self.now() // 60)
        last, calls = self._counted.get(line, (minute, 0))
        calls = calls if last == minute else 0
        full = calls >= most
        self._counted[line] = (minute, calls if full else calls + 1)
        left = max(0, most - calls - 1)
        limit = {"x-rate-limit-limit": str(most), "x-rate-limit-remaining": str(left)}
        return {**limit, "x-rate-limit-reset": str(60 * (minute + 1))}, full
