"""Real runs against both stand-ins, killed again and again at any moment: each time one plain run makes all agree."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import duckdb
import pytest

from tests.e2e.house import House
from tests.e2e.test_process import started
from tests.trust.rows import numbered

KILLS = numbered("REVETL_KILLS", 4)
EACH = 4  # kills of one house, at most
Change = tuple[str, str, str, str | None]  # sync, key, operation, cohort


def churn(house: House, dice: Random) -> None:
    """Change the models as a build would: values of some, memberships of few."""
    bands = ("low", "medium", "high", "vip")
    ids = [key for (key,) in house.rows("select customer_id from customers order by 1")]
    some = ", ".join(str(key) for key in dice.sample(ids, len(ids) // 6))
    house.sql(f"update customers set lifetime_value_band = '{dice.choice(bands)}' where customer_id in ({some})")
    for cohort in ("high_value_customers", "churn_risk_customers"):
        gone, new = dice.sample(house.rows(f"from {cohort} order by 1"), 1), dice.sample(ids, 2)
        house.sql(
            f"delete from {cohort} where customer_id in ({', '.join(str(key) for (key,) in gone)})",
            f"insert into {cohort} select unnest([{', '.join(map(str, new))}]) except from {cohort}",
        )


def ask(house: House, sql: str) -> set[Change]:
    """Ask the state as the killed run left it."""
    with duckdb.connect(str(house.root / ".revetl" / "dev" / "state.duckdb")) as con:
        return set(con.execute(sql).fetchall())


def doubted(house: House) -> set[Change]:
    """Return what may be asserted once more whatever a run was told: its last call may still land."""
    kinds = "unnest(if(op = 'join', ['join', 'part'], ['upsert', 'identity', 'leave']))"
    return ask(house, f"select sync, key, {kinds}, cohort from pending")


def acknowledged(house: House) -> set[Change]:
    """Return the changes of runs that never closed whose delivery is durable."""
    return ask(
        house,
        "select o.sync, o.key, o.op, o.cohort from outbox o join acks a on a.run = o.run and o.seq between a.lo and "
        "a.hi where a.status = 'delivered' and (o.run, o.seq) not in (select (run, seq) from exceptions)",
    )


def sent(house: House, run: str) -> set[Change]:
    """Return what a run sent, by the ledger."""
    path = house.root / ".revetl" / "dev" / "ledger" / f"{run}.parquet"
    if not path.exists():
        return set()
    return set(duckdb.execute("select sync, key, op, cohort from read_parquet(?)", [str(path)]).fetchall())


def killed(house: House, dice: Random, calls: int) -> bool:
    """Start a run as a program, and kill it after some of ``calls`` calls or while it starts; False: it was through."""
    with started(house, "sync") as run:
        after, until = dice.randint(0, calls), time.monotonic() + 60
        if after == 0:
            time.sleep(dice.uniform(0.0, 1.5))
        while after and run.poll() is None and time.monotonic() < until and len(house.received()) < after:
            time.sleep(0.002)
        time.sleep(dice.uniform(0.0, 0.03))
        run.kill()
        run.communicate(timeout=10)
    return run.returncode < 0


@pytest.mark.parametrize("seed", range(KILLS.start // EACH, -(-KILLS.stop // EACH)))
def test_killed_again_and_again(house: House, seed: int, record_property: Callable[[str, object], None]) -> None:
    """kill -9 at any moment: what was acknowledged is not sent again, the rest is, and all agree."""
    dice, done, calls = Random(seed), 0, 12
    while done < min(len(KILLS), EACH):
        for box in house.boxes.values():
            box.latency = 0.03
        churn(house, dice)
        before = doubted(house)
        house.mark()
        done += (died := killed(house, dice, calls))
        time.sleep(0.1)  # whatever is on its way arrives
        calls = max(4, len(house.received())) if not died else calls
        known = acknowledged(house) - before
        for box in house.boxes.values():
            box.latency = 0.0
        result = house.sync()
        assert result.exit_code == 0, result.syncs
        assert not known & sent(house, result.run)
        house.agrees()
    record_property("kills", done)
