"""How fast what changed leaves, against the ideal and against bare httpx."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import duckdb
import pytest

from revetl.contract import Destination, Http, Limit
from revetl.destinations import registry
from revetl.sandbox.process import start_process
from revetl.types import SyncResult
from tests.bench.bare import loop_seconds, threads_seconds
from tests.bench.endpoint import arrivals, endpoint
from tests.bench.shop import Shop
from tests.bench.table import Table
from tests.bench.watch import Recording, Watch, synced

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

Build = Callable[..., Shop]


def hook(origin: str, batch: int) -> str:
    """Return a webhook's settings."""
    return f'{{url: "{origin}/hook", max_records: {batch}}}'


def with_limits(monkeypatch: pytest.MonkeyPatch, name: str, *limits: Limit) -> None:
    """Let a destination have these limits and no others."""
    known = registry()
    changed: Destination = replace(known[name], limits=lambda _: limits)
    monkeypatch.setitem(known._loaded, name, changed)


def sent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> tuple[SyncResult, float, list[Http]]:
    """Return the result of a sync over the network, the seconds of its sending and applying, and its calls."""
    result, watch, calls = watched(shop, monkeypatch)
    return result, watch.seconds["send"] + watch.seconds["apply"], calls


def watched(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> tuple[SyncResult, Watch, list[Http]]:
    """Return the result of a sync over the network, the seconds of its parts, and its calls."""
    with monkeypatch.context() as patched:
        watch, wire = Watch(patched), Recording()
        result = synced(shop.options(), wire=wire)
    return result, watch, wire.requests()


def test_one_record_a_call(build: Build, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a destination takes one record a call, many calls in flight make up for it."""
    with endpoint(latency=0.05) as origin:
        shop = build(2_000, settings=hook(origin, 1))
        shop.change(1)
        result, taken, calls = sent(shop, monkeypatch)
        assert len(calls) == result.delivered == 2_000
        bare = loop_seconds(origin, calls[:60]) / 60
    table.add("one record a call at 50 ms: rate / one-at-a-time sender's", bare / (taken / len(calls)), ">=", 10)


@pytest.mark.parametrize(("milliseconds", "target"), [(10, 1.0), (0, None)])
def test_batches_to_a_fast_endpoint(
    build: Build, table: Table, monkeypatch: pytest.MonkeyPatch, milliseconds: int, target: float | None
) -> None:
    """Batches of 100, every row in the ledger: no slower than a loop that remembers nothing.

    An endpoint that answers at once shows what a row costs here; no service is that fast, so nothing is promised.
    """
    found, rates = [], []
    with endpoint(milliseconds / 1000) as origin:
        shop = build(50_000, settings=hook(origin, 100))
        for _ in range(3):
            shop.change(1)
            result, taken, calls = sent(shop, monkeypatch)
            assert result.delivered == 50_000
            found.append(loop_seconds(origin, calls) / taken)
            rates.append(result.delivered / taken)
    promise = f"batches of 100 to an endpoint of {milliseconds} ms, ledger on: rate / bare loop's"
    table.add(promise, median(found), ">=" if target else "", target, f"{median(rates):,.0f} rows/s")


@pytest.mark.parametrize("batch", [10, 50])
def test_against_the_ideal(build: Build, table: Table, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """Sending takes as long as latency and calls in flight make necessary; what bare httpx takes is shown beside it."""
    latency, in_flight = 0.1, 16
    with endpoint(latency) as origin:
        shop = build(2_000 * batch, settings=hook(origin, batch), in_flight=in_flight)
        shop.change(1)
        _, _, calls = sent(shop, monkeypatch)
        times = arrivals(origin)
        threads_seconds(origin, calls, in_flight)
        bare = arrivals(origin)
    ideal = len(times) * latency / in_flight
    note = f"{len(times)} calls of {batch} rows, {in_flight} in flight, {latency * 1000:.0f} ms"
    promise = f"send time / (calls x latency / in flight), {batch} rows a call"
    table.add(promise, (times[-1] - times[0] + latency) / ideal, "<=", 1.05, note)
    table.add(f"bare httpx threads: the same, {batch} rows a call", (bare[-1] - bare[0] + latency) / ideal)


def test_allowance(build: Build, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowance of 100 calls in 10 s is used up, and by the server's clock never exceeded."""
    allowance, window = 100, 10.0
    with_limits(monkeypatch, "webhook", Limit("burst", allowance, seconds=window))
    with endpoint(latency=0.02) as origin:
        shop = build(3_000, settings=hook(origin, 10))
        shop.change(1)
        sent(shop, monkeypatch)
        times = arrivals(origin)
    most = max(sum(1 for t in times[n : n + 2 * allowance] if t < at + window) for n, at in enumerate(times))
    share = (len(times) - allowance) / allowance * window / (times[-1] - times[0])
    table.add("100 calls in 10 s: share of the allowance used", share, ">=", 0.95, f"{len(times)} calls")
    table.add("100 calls in 10 s: most in any window, by the server's clock", most, "<=", allowance)
    table.add("send time / (calls / limit)", 1 / share, "<=", 1.05)


FIELDS = ("email", "first_name", "last_name", "city", "plan", "orders", "revenue", "score")


@pytest.mark.parametrize(("count", "target"), [(10_000, None), (50_000, 0.7)])
def test_hubspot(build: Build, table: Table, monkeypatch: pytest.MonkeyPatch, count: int, target: float | None) -> None:
    """End to end into a strict stand-in of HubSpot, against threads that send the same calls ready-made.

    The promise is about what is sent; how it would be with the reading and comparing before it is shown beside it.
    """
    names = {name: name.replace("_", "") if name.endswith("_name") else name for name in FIELDS}
    kinds = {"orders": "number", "revenue": "number", "score": "number"}
    custom = {n: {"name": n, "type": kinds.get(n, "string")} for n in ("city", "plan", *kinds)}
    options = {"hubspot": {"burst": 10**9, "daily": 10**9, "properties": custom}}
    with_limits(monkeypatch, "hubspot")
    bares, takens, wholes = [], [], []
    for number in range(3):
        with start_process(["hubspot"], options=options) as server:
            origin = server.origin("hubspot")
            env = {"REVETL_SANDBOX": origin.removesuffix("/hubspot")}
            shop = build(count + number, type="hubspot", object="contacts", settings="sandbox", names=names, env=env)
            forget(shop)
            result, watch, calls = watched(shop, monkeypatch)
        taken = watch.seconds["send"] + watch.seconds["apply"]
        batches = [call for call in calls if "/batch/" in call.path]
        assert result.delivered == count + number
        with start_process(["hubspot"], options=options) as server:
            bares.append(threads_seconds(server.origin("hubspot"), batches, 8))
        takens.append(taken)
        wholes.append(taken + watch.seconds["diff"])
    promise = f"hubspot end to end, {count:,} rows: rate / bare httpx threads', the least of three turns"
    ratios = [bare / taken for bare, taken in zip(bares, takens, strict=True)]
    note = f"{count / min(takens):,.0f} rows/s; turn by turn {min(ratios):.2f} to {max(ratios):.2f}"
    table.add(promise, min(bares) / min(takens), ">=" if target else "", target, note)
    table.add(f"hubspot, {count:,} rows: the same with reading and comparing", min(bares) / min(wholes))
    table.add("hubspot: calls / least possible", len(batches) / -(-result.delivered // 100), "<=", 1.1)


def forget(shop: Shop) -> None:
    """Empty the snapshot: everything is to be sent."""
    con = duckdb.connect(str(shop.state))
    con.execute("DELETE FROM snap_1")
    con.close()
