"""The demo's story, scene by scene: a shop, a day, one line of YAML; each scene checks that it went as it tells.

The stand-ins are served by this process, so that what stands there, and each request they received, can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from revetl import run
from revetl.engine import arrivals
from revetl.engine.arrivals import Place, Standing
from revetl.engine.checking import check
from revetl.engine.shop import FIELD, Day, Shop
from revetl.engine.why import Answer, why
from revetl.engine.workspace import Options, load
from revetl.mapping.flowdiff import FlowKind
from revetl.sandbox import Sandbox, make, statefile
from revetl.sandbox.server import serve
from revetl.types import RunResult

HIGH_VALUE = "High Value"
CUSTOMERS = "mailchimp.customer"


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that the story says, and whether it holds."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """How one person stood at one place before and after."""

    what: str
    before: Standing | None
    after: Standing | None


@dataclass(frozen=True)
class Scene:
    """One scene: what happens, the commands that a person would type, what they showed, and what is proven."""

    title: str
    words: str
    commands: Sequence[str] = ()
    results: Sequence[object] = ()  # Build, Place, Standing, Turn, Answer; a plan, a run's result, a check's; or text
    proofs: Sequence[Proof] = ()


@contextmanager
def staged(shop: Shop, tell: Callable[[str], None]) -> Iterator[Story]:
    """Serve fresh stand-ins for the block; what stands there afterwards is kept for the runs that follow."""
    boxes = [make(name, keep_bodies=True) for name in ("hubspot", "mailchimp")]
    with serve(boxes) as server:
        yield Story(shop, boxes, f"http://{server.host}:{server.port}", tell)
    kept = shop.root / ".revetl" / "dev" / "sandbox.json"
    if kept.parent.is_dir():
        statefile.write(kept, boxes)


class Story:
    """The scenes in their order. Each is told once, and stands on those before it."""

    def __init__(self, shop: Shop, boxes: Sequence[Sandbox], origin: str, tell: Callable[[str], None]) -> None:
        """Begin; ``tell`` gets a line before whatever takes a while."""
        self.shop, self.tell = shop, tell
        self.boxes: Mapping[str, Sandbox] = {box.name: box for box in boxes}
        env = {**shop.env, "REVETL_SANDBOX": origin}
        self.options = Options(project_dir=shop.root, profiles_dir=shop.root, target="dev", env=env)
        self.mark: dict[str, int] = {}
        self.day: Day | None = None

    def scenes(self) -> Iterator[Scene]:
        """Tell the story.

        Raises:
            RevetlError: dbt or a sync could not run at all.
        """
        yield self.first_build()
        yield self.first_sync()
        self.day = self.shop_day()
        yield self.next_build(self.day)
        yield self.plan(self.day)
        yield self.second_sync(self.day)
        yield self.why_member(self.day)
        yield self.one_line()
        yield self.backfill(self.day)
        yield self.nothing_new()

    # --- the first day ----------------------------------------------------------------------------------------------

    def first_build(self) -> Scene:
        """Build the shop."""
        self._commit("A shop: customers, orders, refunds, subscriptions")
        self.tell("dbt build …")
        build = self.shop.dbt("build")
        words = (
            "200 customers, 20 companies and 599 orders: an ordinary dbt project. What may leave it stands in `meta` "
            "beside the columns, where to and how in revetl.yml."
        )
        if self.shop.git_program is None:
            words += " There is no git here, so that `why` will not be able to name commits."
        return Scene(
            "A shop", words, ["dbt build"], [build], [Proof("every model is built, every test passes", build.fine)]
        )

    def first_sync(self) -> Scene:
        """Sync to empty accounts."""
        result = self._sync()
        places = self._look()
        mail, crm = places["mailchimp"], places["hubspot"]
        rows = {one.sync: one.rows - one.unmatched for one in result.syncs}
        proofs = [
            Proof("every change was delivered", _all_delivered(result)),
            Proof("as many members as rows that may leave", mail.counts == {"subscribed": rows.get(CUSTOMERS)}),
            Proof("as many contacts as rows with an address", crm.counts["contacts"] == rows.get("hubspot.customer")),
            Proof(
                "a telephone number reached no newsletter", not any("PHONE" in p.fields for p in mail.people.values())
            ),
        ]
        person = next((p for p in mail.people.values() if HIGH_VALUE in p.groups), None)
        known = [] if person is None else [person, *_same(crm, mail, person)]
        words = "Stand-ins of Mailchimp and HubSpot run on this machine; their accounts were empty. What they hold now:"
        return Scene("The first sync", words, ["revetl sync"], [result, mail, crm, *known], proofs)

    # --- a day later ------------------------------------------------------------------------------------------------

    def shop_day(self) -> Day:
        """Let a day pass."""
        day = self.shop.next_day()
        self._commit("The seeds, a day later")
        return day

    def next_build(self, day: Day) -> Scene:
        """Build the shop as it is a day later."""
        self.tell("dbt build …")
        build = self.shop.dbt("build")
        what = [
            f"customer {day.refunded} got a refund, and is not of high value any more",
            f"customer {day.renamed} changed the address to {day.after[day.renamed]}",
            f"customer {day.gone} is gone",
            f"customer {day.new} is new",
        ]
        return Scene("A day passes", "Four things happened in the shop:", ["dbt build"], [*what, build],
                     [Proof("every model is built, every test passes", build.fine)])  # fmt: skip

    def plan(self, day: Day) -> Scene:
        """Show what would leave."""
        received = self._received()
        found = run.plan(self.options)
        keys = {sample.key for preview in found.previews for sample in preview.samples if "customer" in preview.sync}
        four = {f"[{who}]" for who in (day.refunded, day.renamed, day.gone, day.new)}
        proofs = [
            Proof("it is about these four and nobody else", keys == four),
            Proof("no guard has to hold anything", not any(preview.held for preview in found.previews)),
            Proof("nothing was sent", self._received() == received),
        ]
        return Scene("What would leave", "Personal values are masked here.", ["revetl plan"], [found], proofs)

    def second_sync(self, day: Day) -> Scene:
        """Send what changed, and look at the four."""
        before = self._look()
        result = self._sync()
        after = self._look()
        mail, earlier = after["mailchimp"].people, before["mailchimp"].people
        now = day.after[day.refunded]
        old, new, gone = day.before[day.renamed], day.after[day.renamed], day.before[day.gone]
        same = all(mail.get(a) == person for a, person in earlier.items() if a not in day.addresses)
        proofs = [
            Proof("every change was delivered", _all_delivered(result)),
            Proof("no request names anybody but the four", self._named(before, after) <= day.addresses),
            Proof("all others stand as they stood", same),
            Proof(
                f"the refund took {HIGH_VALUE} away",
                HIGH_VALUE in earlier[now].groups and HIGH_VALUE not in mail[now].groups,
            ),
            Proof("the new address took the place of the old one", old not in mail and new in mail),
            Proof("who is gone is archived, for revetl made the record", mail[gone].status == "archived"),
            Proof("the new customer is there", day.after[day.new] in mail),
        ]
        turns = [
            Turn(f"the refund: {now}", earlier[now], mail[now]),
            Turn(f"the new address: {old} → {new}", earlier[old], mail.get(new)),
            Turn(f"gone: {gone}", earlier[gone], mail.get(gone)),
            Turn(f"new: {day.after[day.new]}", None, mail.get(day.after[day.new])),
        ]
        words = "Only what changed travels. The same four in Mailchimp, before and after:"
        return Scene("The second sync", words, ["revetl sync"], [result, *turns], proofs)

    def why_member(self, day: Day) -> Scene:
        """Ask why somebody is no longer in a cohort."""
        answer = why(load(self.options), day.refunded, to=CUSTOMERS, cohort="high_value_customers")
        stays = [
            stay for one in answer.syncs for stay in one.belief.memberships if stay.cohort == "high_value_customers"
        ]
        proofs = [
            Proof("the record names the run that ended the membership", len(stays) == 1 and stays[0].until is not None)
        ]
        command = f"revetl why {day.refunded} --to {CUSTOMERS} --cohort high_value_customers"
        return Scene("Why is this one not tagged?", "Everything that left is on record.", [command], [answer], proofs)

    # --- one line of YAML -------------------------------------------------------------------------------------------

    def one_line(self) -> Scene:
        """Map one more property, and show what newly leaves."""
        line = self.shop.map_property()
        self._commit("Send the favourite category to Mailchimp")
        self.tell("dbt parse …")
        self.shop.dbt("parse")
        found = check(replace(self.options, state=self.shop.root / "target"))
        news = [(change.kind, change.sync, change.name) for change in found.changes if change.leaves]
        proofs = [
            Proof("one field newly leaves, to Mailchimp alone", news == [(FlowKind.FIELD_ADDED, CUSTOMERS, FIELD)]),
            Proof("the mapping is sound", found.exit_code == 0),
        ]
        words = (
            f"Marketing would like the favourite category. One line below the column, in a pull request:\n    + {line}"
        )
        commands = ["dbt parse", "revetl check --state target    # in CI: the target directory of the main branch"]
        return Scene("One line of YAML", words, commands, [found], proofs)

    def backfill(self, day: Day) -> Scene:
        """Send the new field to everybody who has it, and ask which commit brought it."""
        before = self._look()
        result = self._sync()
        after = self._look()["mailchimp"].people
        carried, names = arrivals.merge_fields(arrivals.writes(self.boxes["mailchimp"], self.mark["mailchimp"]))
        filled = [address for address, person in after.items() if FIELD in person.fields]
        same = all(_without(after[address]) == person for address, person in before["mailchimp"].people.items())
        person = after[day.after[day.refunded]]
        proofs = [
            Proof("every change was delivered", _all_delivered(result)),
            Proof(
                "that field alone travelled, once to each who has it", names == {FIELD} and carried == len(filled) > 0
            ),
            Proof("everything else stands as it stood", same),
            Proof("HubSpot heard nothing", not arrivals.writes(self.boxes["hubspot"], self.mark["hubspot"])),
        ]
        answer, named = self._introduced(day)
        commands = ["revetl sync", f"revetl why {day.refunded} --to {CUSTOMERS} --field {FIELD}"]
        words = "The new field is filled in for everybody, after all data changes and within its share of the quota."
        return Scene("The backfill", words, commands, [result, person, answer], [*proofs, *named])

    def _introduced(self, day: Day) -> tuple[Answer, list[Proof]]:
        answer = why(load(self.options), day.refunded, to=CUSTOMERS, field=FIELD)
        if self.commit is None:
            return answer, []
        origins = [one.introduced.get(("field", FIELD)) for one in answer.syncs]
        named = [origin.git_commit for origin in origins if origin is not None]
        return answer, [
            Proof(f"`why` names the commit that brought the field: {self.commit[:12]}", named == [self.commit])
        ]

    def nothing_new(self) -> Scene:
        """Sync once more."""
        result = self._sync()
        heard = [name for name, box in self.boxes.items() if arrivals.writes(box, self.mark[name])]
        proofs = [Proof("nothing was sent", not heard and all(one.calls == 0 for one in result.syncs))]
        return Scene("Once more", "Nothing changed since, so nothing leaves.", ["revetl sync"], [result], proofs)

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _commit(self, message: str) -> None:
        self.commit = self.shop.commit(message)

    def _sync(self) -> RunResult:
        self.tell("revetl sync …")
        self.mark = self._received()
        return run.sync(self.options)

    def _received(self) -> dict[str, int]:
        return {name: box.received for name, box in self.boxes.items()}

    def _look(self) -> dict[str, Place]:
        return arrivals.look(self.boxes.values())

    def _named(self, before: Mapping[str, Place], after: Mapping[str, Place]) -> frozenset[str]:
        """Return the addresses of everybody whom the last sync's writing requests name."""
        found: frozenset[str] = frozenset()
        for name, box in self.boxes.items():
            found |= arrivals.named(arrivals.writes(box, self.mark[name]), before[name], after[name])
        return found


def _all_delivered(result: RunResult) -> bool:
    left = sum(one.rejected + one.unknown + one.waiting for one in result.syncs)
    return result.exit_code == 0 and not left and not any(one.error or one.held for one in result.syncs)


def _same(crm: Place, mail: Place, person: Standing) -> list[Standing]:
    """Return the same human being at the other place."""
    address = next(address for address, one in mail.people.items() if one is person)
    return [crm.people[address]] if address in crm.people else []


def _without(person: Standing) -> Standing:
    fields = {name: value for name, value in person.fields.items() if name != FIELD}
    return Standing(person.place, person.status, fields, person.groups)
