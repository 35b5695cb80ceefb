"""revetl.yml becomes Config; everything wrong with it is said at once, each with its line and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from revetl.config import Config, Connection, load_config
from revetl.errors import ConfigError
from revetl.types import Limits, Mode, OnLeave, Problem, Write

GOOD = """
version: 1
destinations:
  mailchimp:
    type: mailchimp
    targets:
      prod: {api_key: "{{ env_var('MAILCHIMP_API_KEY') }}", list_id: a1b2c3}
      dev: sandbox
    syncs:
      customer:
        entity: customer
        object: member
        match: {email_address: email}
        audience: [newsletter_subscribers]
        exclude: employees
        mode: update
        on_leave: archive
        cohorts: tag
        constants: {SOURCE: {value: dbt, write: always}, N: 3}
        allow_pii: [email]
        guards: {max_leave: 10%, max_change: [50%, 100], max_null: off, min_rows: 50, on_trip: stop, max_age: 36h}
  hook:
    targets: {prod: {url: "https://example.com/in"}}
groups: {all: [mailchimp, hook]}
require_tests: off
timezone: Europe/Berlin
ledger: {values: clear, key: "{{ env_var('LEDGER_KEY') }}"}
send: {max_in_flight: 8, deadline: 30m, backfill_share: 0.25}
memory_limit: 2GB
"""


def load(text: str) -> Config:
    """Return the configuration of this text."""
    return load_config(text, path="revetl.yml")


def sync(extra: str) -> str:
    """Return a file with one sync that has these further lines."""
    head = "version: 1\ndestinations:\n  crm:\n    targets: {prod: sandbox}\n    syncs:\n      a:\n        entity: x\n"
    return f"{head}        {extra}\n"


def test_a_good_file() -> None:
    """Every key of the documented example is understood."""
    config = load(GOOD)
    assert config.problems == ()
    found = (config.destinations["mailchimp"].syncs or {})["customer"]
    assert (found.entity, found.object, found.match) == ("customer", "member", {"email_address": "email"})
    assert (found.audience, found.exclude) == (("newsletter_subscribers",), ("employees",))
    assert (found.mode, found.on_leave, found.cohorts) == (Mode.UPDATE, OnLeave.ARCHIVE, "tag")
    assert {k: (c.value, c.write) for k, c in found.constants.items()} == {
        "SOURCE": ("dbt", Write.ALWAYS),
        "N": (3, Write.CREATE),
    }
    assert (found.guards.max_leave, found.guards.max_change) == (Limits(0.1, None), Limits(0.5, 100))
    assert (found.guards.max_null, found.guards.min_rows) == (Limits(), 50)
    assert (found.guards.on_trip, found.guards.max_age) == ("stop", "36h")
    assert config.groups == {"all": ("mailchimp", "hook")}
    assert (config.require_tests, config.timezone, config.memory_limit) == ("off", "Europe/Berlin", "2GB")
    assert (config.ledger.values, config.ledger.key) == ("clear", "{{ env_var('LEDGER_KEY') }}")
    assert (config.send.max_in_flight, config.send.deadline, config.send.backfill_share) == (8, 1800.0, 0.25)


def test_a_target_that_is_not_named_has_no_connection() -> None:
    """A destination answers only for the targets it names; a sandbox is marked as one; type defaults to the name."""
    config = load(GOOD)
    assert config.connection("mailchimp", "dev") == Connection(sandbox=True)
    assert config.connection("hook", "prod") == Connection({"url": "https://example.com/in"})
    assert config.connection("hook", "dev") is None
    assert config.connection("nobody", "prod") is None
    assert config.destinations["hook"].type == "hook"
    assert config.destinations["hook"].syncs is None


def test_settings_are_not_printed() -> None:
    """A connection's settings are left out of its repr, a configuration's too."""
    config = load("{version: 1, destinations: {crm: {targets: {prod: {api_key: hunter2}}}}}")
    assert "hunter2" not in repr(config)


Case = tuple[str, str, str | None, int, str, str]
# id → (text, code, sync, line, a piece of the message, the remedy)
CASES: dict[str, Case] = {
    "unknown key at the top": (
        "version: 1\ndestinations: {}\ngruops: {}\n",
        "RVT-120", None, 3, "unknown key 'gruops'", "did you mean 'groups'?",
    ),
    "no destinations": ("version: 1\n", "RVT-103", None, 0, "'destinations' is missing", "add `destinations: …`"),
    "unknown key of a sync": (
        sync("on_leve: keep"), "RVT-120", "crm.a", 8, "unknown key 'on_leve'", "did you mean 'on_leave'?",
    ),
    "unknown mode": (sync("mode: upsrt"), "RVT-103", "crm.a", 8, "'mode': should be", "did you mean 'upsert'?"),
    "limit": (
        sync("guards: {max_leave: ten}"), "RVT-103", "crm.a", 8, "'guards.max_leave': not a limit",
        "write a share (10%), a number of rows (50), both ([10%, 50]) or off",
    ),
    "share as a fraction": (
        sync("guards: {max_leave: 0.1}"), "RVT-103", "crm.a", 8, "not a limit",
        "write a share (10%), a number of rows (50), both ([10%, 50]) or off",
    ),
    "share beyond all": (
        sync("guards: {max_leave: 101%}"), "RVT-103", "crm.a", 8, "not a limit",
        "write a share (10%), a number of rows (50), both ([10%, 50]) or off",
    ),
    "rows before share": (
        sync("guards: {max_leave: [50, 10%]}"), "RVT-103", "crm.a", 8, "not a limit",
        "write a share (10%), a number of rows (50), both ([10%, 50]) or off",
    ),
    "age": (
        sync("guards: {max_age: 36}"), "RVT-103", "crm.a", 8, "not a span of time",
        "write a number and a unit, such as 90s, 30m, 36h or 7d",
    ),
    "two matches": (
        sync("match: {a: b, c: d}"), "RVT-103", "crm.a", 8, "'match': needs exactly one pair",
        "write {their_field: our_property}",
    ),
    "time zone": (
        sync("timezone: Berlin"), "RVT-103", "crm.a", 8, "not a time zone",
        "write an IANA name such as Europe/Berlin or UTC",
    ),
    "time zone as a path": (
        sync("timezone: ../../etc/passwd"), "RVT-103", "crm.a", 8, "not a time zone",
        "write an IANA name such as Europe/Berlin or UTC",
    ),
    "list as a constant": (
        sync("constants: {X: [1]}"), "RVT-103", "crm.a", 8, "a constant is text, a number, true or false",
        "write {value: dbt}",
    ),
    "sync without entity": (
        sync("mode: update").replace("entity: x", "object: y"),
        "RVT-103", "crm.a", 6, "'entity' is missing", "add `entity: …`",
    ),
    "target without settings": (
        "version: 1\ndestinations:\n  crm:\n    targets: {prod: 3}\n",
        "RVT-103", "crm", 4, "target 'prod' of crm has no settings",
        "write the settings as {name: value}, or the word sandbox",
    ),
    "destination without targets": (
        "version: 1\ndestinations:\n  crm: {type: crm}\n",
        "RVT-103", "crm", 3, "'targets' is missing", "add `targets: …`",
    ),
    "destination with a dot": (
        "version: 1\ndestinations:\n  a.b: {targets: {}}\n",
        "RVT-122", "a.b", 3, "'a.b' cannot name a destination",
        "start with a letter; use letters, digits, _ and -, at most 63",
    ),
    "target as a path": (
        "version: 1\ndestinations:\n  crm:\n    targets: {../../x: sandbox}\n",
        "RVT-122", "crm", 4, "'../../x' cannot name a target",
        "use letters, digits, _ and -, as the target is named in profiles.yml",
    ),
    "group of strangers": (
        "version: 1\ndestinations:\n  crm: {targets: {}}\ngroups: {all: [crmm]}\n",
        "RVT-123", None, 4, "group 'all' names 'crmm', no destination", "did you mean 'crm'?",
    ),
    "group named as a destination": (
        "version: 1\ndestinations:\n  crm: {targets: {}}\ngroups: {crm: [crm]}\n",
        "RVT-122", None, 4, "'crm' cannot name a group", "choose a name that is free",
    ),
    "ledger key in clear": (
        "version: 1\ndestinations: {}\nledger: {key: abc}\n",
        "RVT-103", None, 3, "the key itself must not stand here", "write \"{{ env_var('REVETL_LEDGER_KEY') }}\"",
    ),
    "memory": (
        "version: 1\ndestinations: {}\nmemory_limit: lots\n",
        "RVT-103", None, 3, "not an amount of memory", "write a number and a unit, such as 2GB",
    ),
    "function in settings": (
        "version: 1\ndestinations:\n  crm:\n    targets:\n      prod: {k: \"{{ var('x') }}\"}\n",
        "RVT-105", "crm", 5, "something in braces that is not env_var",
        "write \"{{ env_var('NAME') }}\", and only in the settings of a target; nothing else is evaluated",
    ),
    "reference outside of targets": (
        sync("settings: {k: \"{{ env_var('X') }}\"}"),
        "RVT-105", "crm.a", 8, "something in braces here",
        "write \"{{ env_var('NAME') }}\", and only in the settings of a target; nothing else is evaluated",
    ),
    "encrypted ledger": (
        "version: 1\ndestinations: {}\nledger: {values: encrypted}\n",
        "RVT-103", None, 3, "encrypted values need a key that lies elsewhere",
        "add key: \"{{ env_var('REVETL_LEDGER_KEY') }}\" to it",
    ),
    "state in two places": (
        "version: 1\ndestinations: {}\nstate: {url: postgresql://host, engine: warehouse}\n",
        "RVT-103", None, 3, "needs `url` or `engine`, one of them", "write `state: postgresql://…`",
    ),
    "state nowhere": (
        "version: 1\ndestinations: {}\nstate: {schema: mine}\n",
        "RVT-103", None, 3, "needs `url` or `engine`, one of them", "write `state: postgresql://…`",
    ),
    "a schema that is none": (
        "version: 1\ndestinations: {}\nstate: {engine: warehouse, schema: 'a; drop'}\n",
        "RVT-103", None, 3, "no name of a schema", "use lower-case letters, digits and _, at most 40",
    ),
    "consent without its column": (
        sync("consent: {on_false: unsubscribe}"), "RVT-103", "crm.a", 8, "'column' is missing", "add `column: …`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_complaint(case: Case) -> None:
    """Each mistake is exactly one problem: code, the sync it stops, its line, the reason, the remedy."""
    text, code, name, line, piece, remedy = case
    (problem,) = load(text).problems
    assert (problem.code, problem.sync, problem.file) == (code, name, f"revetl.yml:{line}" if line else "revetl.yml")
    assert piece in problem.message
    assert problem.remedy == remedy


def test_everything_at_once_and_one_bad_sync_alone() -> None:
    """All mistakes of a file come together; the good sync beside the bad one stays."""
    text = sync("mode: upsrt\n        on_leve: keep\n      good: {entity: x}").replace("version: 1", "version: 1\nx: 1")
    config = load(text)
    assert [problem.code for problem in config.problems] == ["RVT-120", "RVT-103", "RVT-120"]
    assert list(config.destinations["crm"].syncs or {}) == ["good"]
    assert config.broken == {"crm.a"}
    assert config.fatal


@pytest.mark.parametrize("text", ["", "- a\n", "hello", "3"])
def test_not_a_mapping(text: str) -> None:
    """A file that is no mapping says how to begin."""
    with pytest.raises(ConfigError, match="RVT-103 revetl\\.yml is not a mapping"):
        load(text)


@pytest.mark.parametrize("version", ["version: 2", "version: true", "version: '1'", "version: 1.0", "vers: 1"])
def test_unknown_version(version: str) -> None:
    """Only version 1 is read; nothing is guessed from another."""
    with pytest.raises(ConfigError, match="RVT-103 revetl\\.yml has no version that is known"):
        load(f"{version}\ndestinations: {{}}\n")


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "3",
        "x",
        "null",
        "{crm: 3}",
        "{crm: {targets: 3}}",
        "{crm: {targets: {}, syncs: []}}",
        "{crm: {targets: {}, syncs: {a: 3}}}",
    ],
)
def test_wrong_shapes_are_problems(value: Any) -> None:
    """A value of the wrong shape is a problem with a line, never an exception."""
    problems = load(f"version: 1\ndestinations: {value}\n").problems
    assert problems
    assert all(isinstance(problem, Problem) and problem.code == "RVT-103" for problem in problems)


def test_no_message_repeats_a_value_of_a_target() -> None:
    """Whatever is wrong with a file, a secret that stands in it is not repeated."""
    text = "version: 1\ndestinations:\n  crm:\n"
    text += "    targets: {prod: {api_key: hunter2}, dev: [hunter2]}\n    synks: {hunter2: 1}\n"
    for problem in load(text).problems:
        assert "hunter2" not in problem.message + problem.remedy


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("true", ("keys", 86_400.0, 3_600.0, 300.0)),
        ("{leaves: full, full_every: 7d, look_back: 0s, clock_skew: 90s}", ("full", 604_800.0, 0.0, 90.0)),
        ("false", None),
    ],
)
def test_incremental_reads(written: str, read: tuple[object, ...] | None) -> None:
    """``true`` means the defaults, and spans are written with a unit."""
    config = load_config(f"version: 1\ndestinations: {{}}\nincremental: {written}\n", path="revetl.yml")
    assert config.problems == ()
    found = config.incremental
    assert (found and (found.leaves, found.full_every, found.look_back, found.clock_skew)) == read


def test_a_connection_of_ones_own_holds_no_secret() -> None:
    """A password stands in a variable, never in the file; an output without a type is none."""
    found = load_config(
        "version: 1\ndestinations: {}\nwarehouse: {prod: {type: postgres, password: canary-literal-9d}}\n",
        path="revetl.yml",
    )
    assert [problem.code for problem in found.problems] == ["RVT-103"]
    assert "password" in found.problems[0].message
    assert "canary-literal-9d" not in repr(found)
    found = load_config("version: 1\ndestinations: {}\nwarehouse: {prod: {host: db}}\n", path="revetl.yml")
    assert "has no type" in found.problems[0].message
    text = """version: 1\ndestinations: {}\nwarehouse: {prod: {type: postgres, password: "{{ env_var('P') }}"}}\n"""
    assert load_config(text, path="revetl.yml").problems == ()
    assert load_config(text.replace("env_var", "var"), path="revetl.yml").problems != ()
