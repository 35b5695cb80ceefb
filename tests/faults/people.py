"""The model of the fault tests: people on islands, who have keys and e-mails of their own, and how it changes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TAGS = ("gold", "risky")
KEYS = 5  # of an island
EMAILS = 6

Model = dict[str, "Row"]


@dataclass
class Row:
    """One record of the model."""

    email: str | None
    a: str | None
    b: int | None
    tags: frozenset[str]
    level: str | None = None  # what the membership of gold carries
    ok: bool | None = None  # consent


def island_of(text: str) -> int:
    """Return on which island a key or an e-mail is at home."""
    name = text.partition("@")[0]
    return int(name.partition(".")[2] or 0)


class Islands:
    """So many histories side by side: nothing of one ever meets anything of another, but for what carries them."""

    def __init__(self, random: Random, number: int, *, renames: bool) -> None:
        """Begin without people; ``renames``: most changes are other e-mails."""
        self.random = random
        self.number = number
        self.renames = renames
        self.own = False  # whether a value tells whose it is
        self.model: Model = {}

    def keys(self, island: int) -> list[str]:
        """Return the keys that people of an island may have."""
        return [f"c{n}{f'.{island}' if island else ''}" for n in range(KEYS)]

    def emails(self, island: int) -> list[str]:
        """Return the e-mails that people of an island may have."""
        return [f"p{n}{f'.{island}' if island else ''}@example.org" for n in range(EMAILS)]

    def mutate(self) -> None:
        """Change the model at random: new rows, gone rows, changed and nulled values, other e-mails, other cohorts."""
        for island in range(self.number):
            keys = self.keys(island)
            for key in self.random.sample(keys, self.random.randint(1, KEYS)):
                self._change(island, key)
        if not self.model:
            self._toggle(0, self.keys(0)[0])  # an empty model stops the sync: that comes on purpose, elsewhere

    def _change(self, island: int, key: str) -> None:
        move = 0.6 if self.renames and self.random.random() < 0.7 else self.random.random()
        row = self.model.get(key)
        if row is None or move < 0.2:
            self._toggle(island, key)
        elif move < 0.4:
            row.a = self._value(key, self.random.choice([None, "pii-x", "pii-y", "pii-z"]))
        elif move < 0.55:
            row.b = self.random.choice([None, 1, 2, 3])
        elif move < 0.75:
            free = self._free(island)
            row.email = self.random.choice(free) if free else row.email
        else:
            row.tags = self._tags()
            row.level = self.random.choice([None, "1", "2"])
        if row is not None and self.random.random() < 0.15:
            row.ok = self.random.choice([None, True, False])

    def _toggle(self, island: int, key: str) -> None:
        if key in self.model:
            del self.model[key]
            return
        free = self._free(island)
        if free:
            a = self._value(key, self.random.choice([None, "pii-x", "pii-y"]))
            self.model[key] = Row(self.random.choice(free), a, None, self._tags())

    def _value(self, key: str, value: str | None) -> str | None:
        return f"{value}-of-{key}-" if self.own and value is not None else value

    def _tags(self) -> frozenset[str]:
        return frozenset(tag for tag in TAGS if self.random.random() < 0.5)

    def _free(self, island: int) -> list[str]:
        taken = {self.model[key].email for key in self.keys(island) if key in self.model}
        return [email for email in self.emails(island) if email not in taken]


def truth(model: Model) -> tuple[dict[str, dict[str, object]], dict[str, set[str]]]:
    """Return what the vendor must hold: people by e-mail, tags by e-mail."""
    people: dict[str, dict[str, object]] = {}
    tags: dict[str, set[str]] = {}
    for row in model.values():
        if row.email is None:
            continue
        values = {"email": row.email, "a": row.a, "b": row.b}
        people[row.email] = {name: value for name, value in values.items() if value is not None}
        if row.tags:
            tags[row.email] = set(row.tags)
    return people, tags
