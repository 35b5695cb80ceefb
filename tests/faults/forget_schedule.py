"""A schedule in which somebody of every island is forgotten, at a random moment; afterwards nothing of them may leave.

``pytest tests/faults --seed N --world forget6`` replays one with six islands.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from revetl.engine.forgetting import Forgotten, Meant
from revetl.engine.forgotten import Hasher
from revetl.engine.keyring import Keyring
from revetl.engine.receipts import check_receipt
from revetl.errors import TryLater, UsageError
from tests.faults.door import Broken
from tests.faults.forget_world import KEY, ForgetWorld
from tests.faults.people import truth
from tests.faults.schedule import WEEK
from tests.faults.weather import Crash
from tests.faults.world import world

KEYED = re.compile(r"""'(?:key|k0)': '(?:\["?)?(c[0-9.]+)""")
LATER = 1000.0  # seconds between two tries of a command that says to come again
JUMPED = 8000.0  # the same where clocks jump: a doubt of before they were set back is young for longer
TRIES = 12


def forgets(seed: int, islands: int = 1) -> list[str]:
    """Play one schedule, a history on each of so many islands, and return its log.

    Raises:
        Broken: a promise does not hold after it.
    """
    made = ForgetWorld(seed, Path(tempfile.mkdtemp(prefix="revetl-")), whole=seed % 4 == 3, islands=islands)
    with world(made):
        try:
            _Play(made).play()
        except Broken as broken:
            told = [str(broken), f"replay: pytest tests/faults --seed {seed} --world forget{islands}", *made.log]
            raise Broken("\n".join(told)) from None
        finally:
            made.close()
        return made.log


@dataclass
class _Play:
    made: ForgetWorld
    emails: set[str] = field(default_factory=set)  # that must never be sent again
    doubted: set[str] = field(default_factory=set)  # where they may stand, and so may somebody else: it is erased
    shared: set[str] = field(default_factory=set)  # that a row of somebody else had when they were forgotten
    byhand: set[str] = field(default_factory=set)  # where a receipt says that somebody must look, at another's record
    elsewhere: set[str] = field(default_factory=set)  # keys of whom a sync, configured no more, may have something
    older: bool = False  # whether revetl lost what it once knew, by a state that was lost or put back

    def play(self) -> None:
        """Let runs, changes and commands take turns, then let everything settle, and look."""
        made, rounds = self.made, self.made.random.randint(2, 4)
        moments = [made.random.randrange(rounds) for _ in range(made.islands.number)]
        backup = None
        for number in range(rounds):
            self._pass(made.random.choice([10.0, 300.0, 2000.0]))
            if backup is None or made.random.random() < 0.3:
                backup = made.copy()
            for island in (one for one, moment in enumerate(moments) if moment == number):
                self._forget(island)
        self._trouble(backup)
        self._pass(10.0)
        made.faulty = False
        for _ in range(3):
            before = len(made.requests)
            made.clock.advance(WEEK)
            for door in made.doors.values():
                door.vendor.land(made.real())
            made.run()
            made.untangle()
            if len(made.requests) == before:
                break
        self._look()

    def _pass(self, seconds: float) -> None:
        self.made.mutate()
        self.made.run()
        self.made.clock.advance(seconds)

    def _trouble(self, backup: bytes | None) -> None:
        """Lose the state, restore an old one, put all of it in doubt, or do nothing of that."""
        made, dice = self.made, self.made.random.random()
        if made.copy() is None or dice < 0.3:
            return
        self.older = dice < 0.8
        if dice < 0.5:
            made.faulty = False
            made.adopt()
            made.faulty = True
        else:
            if dice < 0.8 and backup is not None:
                made.put_back(backup)
            made.recover()
            rows = [text for _, text in made.kept() if self._another(text)]
            self.shared |= {email for email in self.emails if any(email in text for text in rows)}
        made.log.append("adopted" if dice < 0.5 else "recovered")

    # --- forgetting ---------------------------------------------------------------------------------------------------

    def _forget(self, island: int) -> None:
        """Forget somebody of an island, by a key or by an address, as often as it takes."""
        made = self.made
        asked = made.random.choice([*made.islands.keys(island), *made.islands.emails(island)])
        made.second = made.random.random() < 0.9
        try:
            self._until_done(asked)
        finally:
            made.second = True

    def _until_done(self, asked: str) -> None:
        made, faulty = self.made, self.made.faulty
        for turn in range(TRIES):
            made.faulty = faulty and turn < TRIES // 2
            try:
                who = made.meant(asked)
            except UsageError as nobody:
                if nobody.code != "RVT-853":
                    raise
                break
            standing = self._standing(asked, who)
            done, again = self._try(who)
            made.log.append(f"forget {asked}: {'again' if again else [one.complete for one in done]}")
            if done:
                self._done(done[0], who, standing)
            if not again:
                break
            if made.random.random() < 0.3:
                self._pass(10.0)
        made.faulty = faulty

    def _try(self, who: Meant) -> tuple[tuple[Forgotten, ...], bool]:
        """Forget once; return what was done, and whether something is left to do that another try may do."""
        made, passed = self.made, list[str]()
        keys, emails = self._theirs(who)
        self.elsewhere |= keys - self._known(who, "sum.person")
        if made.ask("SELECT 1 FROM duckdb_tables() WHERE table_name = 'pending'"):
            near = made.ask("SELECT key, unnest(near) FROM revetl_state.pending")
            self.doubted |= {email for key, email in near if key in keys}
            others = made.ask("SELECT key, unnest(tried).i FROM revetl_state.pending")
            strange = {email for one in who.found for email in one.strange}
            self.doubted |= {email for key, email in others if key not in keys and email in strange}
        try:
            done = tuple(made.forgotten(who, passed))
        except TryLater as later:
            if later.code != "RVT-856":
                raise
            made.clock.advance(JUMPED if made.jumps else LATER)
            for door in made.doors.values():
                door.vendor.land(made.real())
            return (), True
        except Crash:
            if "after_tombstone_file" in passed:  # nobody is erased before
                self._bury(who, keys, emails)
            return (), True
        self._bury(who, keys, emails)
        return done, any(place["status"] in {"open", "failed"} for one in done for place in one.places)

    def _bury(self, who: Meant, keys: set[str], emails: set[str]) -> None:
        self.byhand |= {name for one in who.found for name in one.shared}
        self.made.gone |= keys
        self.emails |= emails
        self.made.door.forgotten |= emails

    def _theirs(self, who: Meant) -> tuple[set[str], set[str]]:
        """Return the keys of who is meant, and the addresses under which they alone stand or were asked for."""
        keys = {one.key for one in who.found}
        emails = {e for sync, vendor in self.made.vendors.items() for e in vendor.theirs(self._known(who, sync))}
        return keys, (emails - self.made.others(keys)) | ({who.asked} if "@" in who.asked else set())

    def _known(self, who: Meant, sync: str) -> set[str]:
        """Return the keys that are meant in a sync: if it is configured no more, those that an address tells."""
        return {one.key for one in who.found if self.made.second or sync in {"sim.person", one.sync}}

    def _standing(self, asked: str, who: Meant) -> Mapping[str, set[str]]:
        """Return where records of who is meant stand, by sync; whoever was asked for is among them."""
        made, keys = self.made, {one.key for one in who.found}
        for vendor in made.vendors.values():
            owner = vendor.owner.get(asked)
            if owner is not None and owner not in keys:
                raise Broken(f"{asked} is {owner}'s, and forgetting it means {sorted(keys)} alone")
        return {sync: vendor.theirs(self._known(who, sync)) for sync, vendor in made.vendors.items()}

    def _done(self, done: Forgotten, who: Meant, standing: Mapping[str, set[str]]) -> None:
        """Look at a receipt, at who was erased, and at what is left of them."""
        made, keys = self.made, {one.key for one in who.found}
        receipt = check_receipt(done.receipt, Keyring((KEY,)))
        told = {str(place["sync"]) for place in receipt["destinations"]}
        for sync, emails in standing.items():
            if emails and sync not in told:
                raise Broken(f"{sync} has {sorted(emails)}, and no receipt names it")
        for vendor in made.vendors.values():
            wrong = [
                pair for pair in vendor.erased if pair[1] not in {None, *made.gone} and pair[0] not in self.doubted
            ]
            if wrong:
                raise Broken(f"{wrong[0][0]} was erased, who is {wrong[0][1]} and was not meant")
        if not done.complete:
            return
        known = {sync: vendor.theirs(self._known(who, sync)) for sync, vendor in made.vendors.items()}
        if left := [(sync, emails) for sync, emails in known.items() if emails]:
            raise Broken(f"{sorted(keys)} are forgotten completely, but {left[0][0]} still has {sorted(left[0][1])}")
        self._nothing_left("after forgetting", keys)

    def _nothing_left(self, when: str, keys: set[str]) -> None:
        """Look whether state or ledger hold a key, an address or a value of theirs."""
        own = {word for key in keys - self.elsewhere for word in (f"-of-{key[2:-2]}-", key)}
        emails = self.emails - self.shared  # once that row is gone, free blocks of the state's file still have them
        for place, text in self.made.kept():
            if self._another(text):
                self.shared |= {email for email in emails if email in text}
                emails -= self.shared
            found = next((word for word in own | emails if word in text), None)
            if found is not None:
                raise Broken(f"{when}, {found} still stands in {place}: {text[:600] if len(text) < 5000 else ''}")

    def _another(self, text: str) -> bool:
        """Return whether a row is of somebody who was not forgotten."""
        key = KEYED.search(text)
        return key is not None and f'["{key[1]}"]' not in self.made.gone

    # --- the end ------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look whether nobody came back, and whether everybody else is as the models say."""
        made = self.made
        for sync, vendor in made.vendors.items():
            back = vendor.theirs(made.gone) - self.byhand  # that one may be frozen, and is written no more
            if sync == "sim.person" and back:
                raise Broken(f"{sync} has {sorted(back)[:3]} again")
        self._nothing_left("at the end", made.gone)
        self._others()
        if wrong := made.chain():
            raise Broken(f"the ledger's chain does not hold: {wrong[0]}")

    def _others(self) -> None:
        """Look whether everybody else stands at the first destination as the models say."""
        made = self.made
        still = {key: row for key, row in made.model.items() if f'["{key}"]' not in made.gone}
        hashes, hasher = (
            {row[0] for row in made.ask("SELECT hash FROM revetl_state.forgotten")},
            Hasher(Keyring((KEY,))),
        )
        frozen = {key for key, row in still.items() if hashes.intersection(hasher.identity(row.email or ""))}
        places = self._places()
        waiting = self._waiting(frozen, places)
        free = {key: row for key, row in still.items() if key not in waiting}
        people, tags = truth(free)
        for email, wanted in people.items():
            held, worn = made.vendor.people.get(email), made.vendor.tags.get(email, set())
            if (
                held is not None and self.older
            ):  # more may stand there, of which revetl no longer knows that it wrote it
                held, worn = {name: held.get(name) for name in wanted}, worn & tags.get(email, set())
            if held != wanted or worn != tags.get(email, set()):
                raise Broken(f"{email}: {held} {worn}, not {wanted} {tags.get(email)}; frozen: {sorted(frozen)[:5]}")
        left = {email for email, key in places if key in waiting} | self.byhand
        more = {e for e, key in made.vendor.owner.items() if e not in {*people, *left} and key[2:-2] not in still}
        if more and not self.older:
            raise Broken(f"{sorted(more)[:3]} stand there, whom no model has")

    def _places(self) -> list[tuple[str, str]]:
        """Return where people stand, and where they may, as state has it: so many pairs of e-mail and key."""
        made = self.made
        doubts = made.ask("SELECT key, unnest(tried).i FROM revetl_state.pending WHERE sync = 'sim.person'")
        if doubts:  # whoever may have been renamed may also stand where they were known to stand
            known = "FROM revetl_state.pending p JOIN revetl_state.snap_1 s ON p.key = '[\"' || s.k0 || '\"]'"
            doubts += made.ask(f"SELECT p.key, s.m {known} WHERE p.sync = 'sim.person'")
        places = [(email, key[2:-2]) for email, key in made.vendor.owner.items()]
        # state has who stood where others were merged into them, or where an adoption found the model's own address
        stands = made.ask("SELECT m, k0 FROM revetl_state.snap_1") if doubts or self.older else []
        places += stands
        for key, email in doubts:  # of which an older state knows less, and none everybody who stands where they may
            owner = made.vendor.owner.get(email, "")
            if self.older or not owner or (email, owner[2:-2]) not in stands:
                places.append((email, key[2:-2]))
        return places

    def _waiting(self, frozen: set[str], places: list[tuple[str, str]]) -> set[str]:
        """Return who is left out, and whoever waits for a place of theirs, and for a place of who waits."""
        made, waiting = self.made, set(frozen)
        while True:
            held = {(email, key) for email, key in places if key in waiting}
            more = {k for k, row in made.model.items() if any(e == row.email and k != key for e, key in held)} - waiting
            if not more:
                return waiting
            waiting |= more
