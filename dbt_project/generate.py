"""Make the shop's seeds: deterministic, of any size, with nothing but the standard library.

    python generate.py                                  # the seeds that are committed: 200 customers, seed 7
    python generate.py --customers 100000 --out /tmp/s  # as many as wanted
    python generate.py --next-day                       # the same shop a day later: four things happened

A customer's rows depend on the seed and the customer's own number alone, so a larger shop begins with the smaller one.
Money is in cents until it is written; instants are UTC. All addresses lie in the domains that RFC 2606 reserves.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

OPENING = datetime(2024, 1, 1, tzinfo=UTC)
CLOSING = datetime(2026, 6, 30, tzinfo=UTC)  # the seeds know nothing later; dbt_project.yml's as_of is this day
NEXT_DAY = CLOSING + timedelta(hours=9)
HIGH_VALUE_CENTS = 75_000  # dbt_project.yml's high_value_from
MAIL = ("example.org", "example.net", "mail.example.org", "post.example.net")
STAFF = "staff.example.org"  # dbt_project.yml's own_domain
CATEGORIES = ("books", "garden", "kitchen", "music", "outdoor", "toys")
INDUSTRIES = ("logistics", "retail", "software", "education")
PLANS = ("monthly", "yearly")

Row = dict[str, str]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "raw_companies": ("id", "name", "domain", "industry", "updated_at"),
    "raw_customers": (
        "id",
        "given_name",
        "family_name",
        "email",
        "phone",
        "company_id",
        "marketing_opt_in",
        "created_at",
        "updated_at",
    ),
    "raw_orders": ("id", "customer_id", "category", "amount", "ordered_at"),
    "raw_refunds": ("id", "order_id", "amount", "refunded_at"),
    "raw_subscriptions": ("id", "customer_id", "plan", "started_at", "ended_at"),
}


@dataclass(frozen=True)
class Order:
    """One order: what was paid and what was given back, in cents."""

    category: str
    cents: int
    at: datetime
    refunded_cents: int = 0
    refunded_at: datetime | None = None


@dataclass(frozen=True)
class Customer:
    """One customer with everything that hangs on it."""

    number: int
    email: str
    phone: str
    company: int | None
    opt_in: bool
    created_at: datetime
    updated_at: datetime
    orders: tuple[Order, ...] = ()
    subscription: tuple[str, datetime, datetime | None] | None = None

    @property
    def value_cents(self) -> int:
        """Return all purchases less refunds."""
        return sum(order.cents - order.refunded_cents for order in self.orders)


class Dice:
    """Numbers that depend on their seed alone: only ``Random.random`` is promised to stay the same in every Python."""

    def __init__(self, seed: str) -> None:
        """Start at ``seed``."""
        self._roll = random.Random(seed).random

    def chance(self, share: float) -> bool:
        """Return True in ``share`` of all throws."""
        return self._roll() < share

    def number(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        return low + int(self._roll() * (high - low + 1))

    def pick(self, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``."""
        return choices[self.number(0, len(choices) - 1)]

    def moment(self, after: datetime) -> datetime:
        """Return a whole second between ``after`` and the closing day."""
        return after + timedelta(seconds=self.number(0, int((CLOSING - after).total_seconds())))


def make_customer(number: int, seed: int) -> Customer:
    """Return customer ``number`` of the shop with ``seed``: one in 50 is staff, one in 25 has no address."""
    dice = Dice(f"{seed}:customer:{number}")
    created = dice.moment(OPENING)
    company = dice.number(1, (number + 9) // 10) if dice.chance(0.5) else None
    return Customer(
        number=number,
        email=_email(dice, number, company),
        phone=f"+1555{number:07d}" if dice.chance(0.6) else "",
        company=company,
        opt_in=dice.chance(0.7),
        created_at=created,
        updated_at=dice.moment(created),
        orders=_orders(dice, created),
        subscription=_subscription(dice, created),
    )


def _email(dice: Dice, number: int, company: int | None) -> str:
    domain, at_work, missing = dice.pick(MAIL), dice.chance(0.4), dice.chance(0.04)
    if number % 50 == 0:
        domain = STAFF
    elif company is not None and at_work:
        domain = _company_domain(company)
    elif missing:
        return ""
    return f"customer-{number:04d}@{domain}"


def _orders(dice: Dice, since: datetime) -> tuple[Order, ...]:
    count = dice.number(0, 6)
    made = sorted((dice.moment(since), dice.pick(CATEGORIES), dice.number(900, 32_000)) for _ in range(count))
    return tuple(_maybe_refunded(dice, Order(category, cents, at)) for at, category, cents in made)


def _maybe_refunded(dice: Dice, order: Order) -> Order:
    if not dice.chance(0.1):
        return order
    cents = order.cents if dice.chance(0.5) else order.cents // 2
    return replace(order, refunded_cents=cents, refunded_at=dice.moment(order.at))


def _subscription(dice: Dice, since: datetime) -> tuple[str, datetime, datetime | None] | None:
    if not dice.chance(0.3):
        return None
    started = dice.moment(since)
    return dice.pick(PLANS), started, dice.moment(started) if dice.chance(0.4) else None


def _company_domain(number: int) -> str:
    return f"company-{number:03d}.example.net"


def next_day(customers: list[Customer], seed: int) -> list[Customer]:
    """Return the shop a day later: someone is refunded, one address changes, one customer goes, a new one comes.

    Raises:
        ValueError: the shop is too small to have three subscribers of the newsletter, one of high value among them.
    """
    readers = [c for c in customers if c.opt_in and c.email and not c.email.endswith(f"@{STAFF}")]
    rich = [c for c in readers if c.value_cents >= HIGH_VALUE_CENTS and _refundable(c)]
    if not rich or len(readers) < 3:
        raise ValueError("too small a shop for a next day: make 20 customers or more")
    moved = min(rich, key=lambda c: (c.value_cents, c.number))
    others = [c for c in readers if c is not moved]
    renamed, gone = others[0], others[-1]
    after = {c.number: c for c in customers if c is not gone}
    after[moved.number] = _refund(moved)
    domain = renamed.email.split("@")[1]
    after[renamed.number] = replace(renamed, email=f"renamed-{renamed.number:04d}@{domain}", updated_at=NEXT_DAY)
    new = make_customer(customers[-1].number + 1, seed)
    email = f"customer-{new.number:04d}@{MAIL[0]}"
    after[new.number] = replace(
        new, email=email, opt_in=True, created_at=NEXT_DAY, updated_at=NEXT_DAY, orders=(), subscription=None
    )
    return list(after.values())


def _refundable(customer: Customer) -> list[Order]:
    """Return the orders whose refund takes the customer below high value."""
    limit = customer.value_cents - HIGH_VALUE_CENTS
    return [order for order in customer.orders if order.refunded_at is None and order.cents > limit]


def _refund(customer: Customer) -> Customer:
    chosen = _refundable(customer)[0]
    back = replace(chosen, refunded_cents=chosen.cents, refunded_at=NEXT_DAY)
    return replace(customer, orders=tuple(back if order is chosen else order for order in customer.orders))


def companies(count: int) -> Iterator[Row]:
    """Yield one row for each of ``count`` companies."""
    for number in range(1, count + 1):
        yield {
            "id": str(number),
            "name": f"Company {number:03d}",
            "domain": _company_domain(number),
            "industry": INDUSTRIES[number % len(INDUSTRIES)],
            "updated_at": _instant(OPENING + timedelta(days=number % 900)),
        }


def customer_rows(customers: list[Customer]) -> Iterator[Row]:
    """Yield one row for each customer; the names are numbers, on purpose."""
    for customer in customers:
        yield {
            "id": str(customer.number),
            "given_name": f"Given-{customer.number:04d}",
            "family_name": f"Family-{customer.number:04d}",
            "email": customer.email,
            "phone": customer.phone,
            "company_id": str(customer.company or ""),
            "marketing_opt_in": str(customer.opt_in).lower(),
            "created_at": _instant(customer.created_at),
            "updated_at": _instant(customer.updated_at),
        }


def order_rows(customers: list[Customer]) -> Iterator[Row]:
    """Yield one row for each order, numbered by customer."""
    for customer, position, order in _all_orders(customers):
        yield {
            "id": _id(customer, position),
            "customer_id": str(customer.number),
            "category": order.category,
            "amount": _money(order.cents),
            "ordered_at": _instant(order.at),
        }


def refund_rows(customers: list[Customer]) -> Iterator[Row]:
    """Yield one row for each order that was refunded, in part or in full."""
    for customer, position, order in _all_orders(customers):
        if order.refunded_at is not None:
            yield {
                "id": _id(customer, position),
                "order_id": _id(customer, position),
                "amount": _money(order.refunded_cents),
                "refunded_at": _instant(order.refunded_at),
            }


def subscription_rows(customers: list[Customer]) -> Iterator[Row]:
    """Yield one row for each subscription; one that runs has no end."""
    for customer in customers:
        if customer.subscription is not None:
            plan, started, ended = customer.subscription
            yield {
                "id": str(customer.number),
                "customer_id": str(customer.number),
                "plan": plan,
                "started_at": _instant(started),
                "ended_at": _instant(ended) if ended else "",
            }


def _all_orders(customers: list[Customer]) -> Iterator[tuple[Customer, int, Order]]:
    return ((customer, n, order) for customer in customers for n, order in enumerate(customer.orders, 1))


def _id(customer: Customer, position: int) -> str:
    """Return an order's number: a customer has fewer than ten, so it never moves when others come or go."""
    return str(customer.number * 10 + position)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


TABLES: Mapping[str, Callable[[list[Customer]], Iterator[Row]]] = {
    "raw_customers": customer_rows,
    "raw_orders": order_rows,
    "raw_refunds": refund_rows,
    "raw_subscriptions": subscription_rows,
}


def write_seeds(out: Path, count: int, seed: int, *, day_after: bool = False) -> None:
    """Write the five seeds of a shop with ``count`` customers below ``out``."""
    customers = [make_customer(number, seed) for number in range(1, count + 1)]
    if day_after:
        customers = next_day(customers, seed)
    out.mkdir(parents=True, exist_ok=True)
    _write(out, "raw_companies", companies((count + 9) // 10))
    for name, rows in TABLES.items():
        _write(out, name, rows(customers))


def _write(out: Path, name: str, rows: Iterator[Row]) -> None:
    with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS[name], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Read the command line and write the seeds."""
    parser = argparse.ArgumentParser(description="Make the shop's seeds.")
    parser.add_argument("--customers", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another shop (default: 7)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "seeds", help="where (default: seeds/)")
    parser.add_argument("--next-day", action="store_true", help="the same shop, a day later")
    given = parser.parse_args()
    write_seeds(given.out, given.customers, given.seed, day_after=given.next_day)


if __name__ == "__main__":
    main()
