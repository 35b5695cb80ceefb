"""The carrier of :class:`~revetl.contract.Sql`: one statement, one transaction, over libpq.

Sources: https://www.postgresql.org/docs/current/errcodes-appendix.html,
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import certifi
import orjson

from revetl.contract import Reply, Sql
from revetl.send.ports import Lane
from revetl.send.wire import Failure

_GIVEN = {
    "connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "20000", "application_name": "revetl", "client_encoding": "UTF8",
}  # fmt: skip
_OURS = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET lock_timeout = '30s'; SET statement_timeout = {}"
# the longest beginning of a SQLSTATE that is named decides; every statement that failed is undone as a whole
_STATUS = {
    "22": 400, "23": 400, "40": 423, "55P03": 423, "57014": 503, "25": 503, "53": 503, "57": 503, "58": 503, "XX": 503,
}  # fmt: skip
_ELSE = 404
_REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied", "no password")


class SqlCarrier:
    """Keeps one connection for each lane; a connection that broke is made anew by the next call."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """``now`` stamps replies, in UTC epoch seconds."""
        self._now = now
        self._open: dict[Lane, Any] = {}

    def perform(self, lane: Lane, call: Sql) -> Reply | Failure:
        """Run the statement."""
        connection = self._open.get(lane) or self._connect(lane)
        if isinstance(connection, Failure):
            return connection
        self._open[lane] = connection
        command = call.text.encode()
        result = connection.exec_params(command, [] if call.argument is None else [call.argument])
        if _is_broken(connection):
            self._drop(lane)
            return Failure("RVT-605", f"{call.label}: the connection to the database was lost")
        return self._reply(result)

    def close(self) -> None:
        """Let go of all connections."""
        for lane in list(self._open):
            self._drop(lane)

    def _drop(self, lane: Lane) -> None:
        self._open.pop(lane).finish()

    def _connect(self, lane: Lane) -> Any:
        """Return a connection, or why there is none: the driver's words may repeat the password, so none are shown."""
        try:
            driver = _driver()
        except ImportError:
            what = "this destination needs a driver that is not installed: pip install 'revetl[postgres]'"
            return Failure("RVT-417", what, sent=False, again=False, fatal=True)
        named = lane.destination.database
        told = _GIVEN | dict(named(lane.settings) if named is not None else {})
        if told.get("sslrootcert") == "system":  # which drivers with a library of their own do not find everywhere
            told["sslrootcert"] = certifi.where()
        connection = driver.PGconn.connect(" ".join(f"{name}={_quoted(text)}" for name, text in told.items()).encode())
        if _is_broken(connection):
            words = connection.error_message.decode(errors="replace")
            connection.finish()
            return _unreached(words)
        connection.exec_(_OURS.format(int(lane.timeout * 1_000)).encode())
        return connection

    def _reply(self, result: Any) -> Reply:
        states = _driver()
        told = {"content-type": "application/json"}
        if result.status == states.ExecStatus.TUPLES_OK:
            return Reply(200, b'{"rows":' + (result.get_value(0, 0) or b"[]") + b"}", told, self._now())
        if result.status == states.ExecStatus.COMMAND_OK:
            return Reply(200, b'{"rows":[]}', told, self._now())
        fields = {"sqlstate": "SQLSTATE", "column": "COLUMN_NAME", "constraint": "CONSTRAINT_NAME"}
        said = {name: result.error_field(states.DiagnosticField[field]) for name, field in fields.items()}
        body = {name: text.decode(errors="replace") for name, text in said.items() if text}
        return Reply(_status(body.get("sqlstate", "")), orjson.dumps(body), told, self._now())


def _driver() -> Any:
    """Return psycopg's libpq: loaded late, for one destination only."""
    from psycopg import pq

    return pq


def _status(sqlstate: str) -> int:
    return _STATUS.get(sqlstate) or _STATUS.get(sqlstate[:2]) or _ELSE


def _is_broken(connection: Any) -> bool:
    return bool(connection.status != _driver().ConnStatus.OK)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _unreached(words: str) -> Failure:
    if "certificate" in words or "SSL" in words:
        what = "the database's TLS is not what the settings ask for: see `sslmode` and `sslrootcert`"
        return Failure("RVT-601", what, sent=False, again=False, fatal=True)
    if any(sign in words for sign in _REFUSED):
        what = "the database refuses the connection: check user, password and dbname"
        return Failure("RVT-601", what, sent=False, again=False, fatal=True)
    return Failure("RVT-600", "the database cannot be reached", sent=False)
