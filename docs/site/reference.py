"""The pages below ``docs/reference/``, as the code says them: ``python -m docs.site.reference`` writes them.

Keys, types and defaults come from the models that validate them, and what a key means from
``revetl.engine.described``, which editors show, too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from revetl import errors
from revetl.cli import COMMANDS, cli
from revetl.cli.common import common, voiced
from revetl.cli.explain import GROUPS
from revetl.cli.explained import TEXTS
from revetl.config.schema import Strict
from revetl.config.specs import DestinationSpec, RootSpec, SyncConfig
from revetl.destinations import BUILT_IN, registry
from revetl.engine.described import KEYS
from revetl.engine.schemas import meta, root
from revetl.mapping.meta import CohortOptions, ColumnSpec, FieldOptions, ItemSpec

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"
Schema = Mapping[str, Any]


MADE = "<!-- written by `python -m docs.site.reference` from the code: change it there -->"
BEGIN = {
    "cli": """# Commands

The commands in the order in which one meets them. `revetl COMMAND --help` says the same.
""",
    "destinations": """# Destinations

What each destination can do, as it declares. Its page says what you need in the account and how things land.
[What each was shown to do](../conformance.md) is what came of the suite that all of them pass.
""",
    "errors": """# Error codes

Each message has a code, says what happened, what was kept, and what to type next. `revetl explain CODE` tells what is
here.
""",
    "exit-codes": """# Exit codes

What a command ends with. [Run it](../how-to/schedule.md) says what to do with each.
""",
    "meta": """# Meta in dbt's YAML

What leaves stands in `config: meta: revetl:` of a model and of its columns. `revetl schema meta` gives the same to
[editors](../editors.md), with these very words. One mapping, or a list of them where a model serves two entities.
Models, seeds, snapshots (their current rows) and sources (with a warning: nothing tests them) may carry it.
""",
    "revetl-yml": """# revetl.yml

How data leave stands in `revetl.yml`, beside `dbt_project.yml`. `revetl schema revetl` gives the same to
[editors](../editors.md), with these very words. Secrets are `"{{ env_var('NAME') }}"`; nothing else is evaluated, and
only in the settings of a target, in `state` and `ledger`, and in channels of `notify`.
""",
}

END = {
    "meta": """## Links, membership fields, and how dbt merges

A link is `link: company`; `link: {entity: company, sync: hubspot.company, key: [company_id, region]}` says which sync
of the destination carries the other record (where several do) and which columns make up its key. `to` then names a
link of the destination's object: `associatedcompanyid` of HubSpot's contacts, `company` of Intercom's, `AccountId` of
Salesforce's, `org_id` of Pipedrive's persons, and whatever `revetl ls` and the destination's page name. Who is linked
to goes first, so both records may be new in one run. A link to a record that is not there yet waits, and the rest of
the record goes without it; `plan`, `status` and `why` show what waits. Where the object has no links, the column is
an ordinary field.

A column of a cohort model with a `to` is a field of the membership itself, where the destination's memberships carry
any (the status of a Salesforce campaign member). A changed one sends the membership again.

A name in `to` is a sync (`hubspot.company`), a destination, or a group; the most specific wins.

**dbt merges meta one level deep.** A `revetl:` in a model's SQL `config(meta={...})` replaces the whole `revetl:` of
the YAML, it is not merged with it. Keep revetl's meta in one place: YAML.
""",
    "revetl-yml": """## What consent does

Whoever the column (a boolean) says `false` of is withdrawn at the destination: first of all, whatever guards hold,
and also outside the audience, if the destination may know the person. `true` restores nothing, null says nothing, and
the column itself never leaves. `on_false` says how (`unsubscribe` is all there is so far), `new_as` how new people
start: `subscribed`, `pending` or `transactional` at Mailchimp. Who says no is never made as anything else. Opt-outs
that people made at the destination are never undone.
""",
}


def pages() -> dict[str, str]:
    """Return file name → page."""
    made = {
        "cli": _cli(), "destinations": _destinations(), "errors": _errors(), "exit-codes": _exit_codes(),
        "meta": _meta(), "revetl-yml": _yml(),
    }  # fmt: skip
    return {f"{name}.md": _page(name, lines) for name, lines in made.items()}


def _page(name: str, lines: Iterable[str]) -> str:
    return "\n".join([BEGIN[name], *lines, *([END[name]] if name in END else []), MADE]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""


# --- commands -------------------------------------------------------------------------------------------------------


def _cli() -> Iterator[str]:
    context = click.Context(cli, info_name="revetl")
    project, voice = (_params(add(lambda *_, **__: 0)) for add in (common, voiced))
    yield from ("## Options that commands share", "", "Every command but `revetl --version` takes these:", "")
    yield from _options(voice.values())
    yield from ("Commands that look at a project take these, too:", "")
    yield from _options(one for name, one in project.items() if name not in voice)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is not None:
            yield from _command(name, command, {**project, **voice}, looks=set(project) <= set(_params(command)))


def _params(command: Any) -> dict[str, click.Option]:
    """Return the options of a command, or those that a decorator has put on a function, by name."""
    params = command.params if isinstance(command, click.Command) else reversed(command.__click_params__)
    return {one.name or "": one for one in params if isinstance(one, click.Option)}


def _command(name: str, command: click.Command, shared: Mapping[str, click.Option], *, looks: bool) -> Iterator[str]:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    words = " ".join(["revetl", name, "[OPTIONS]", *(one.make_metavar(click.Context(command)) for one in arguments)])
    yield from (f"## revetl {name}", "", f"`{words}`", "")
    for part in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from (" ".join(part.split()), "")
    own = [one for key, one in _params(command).items() if shared.get(key) is None or shared[key].help != one.help]
    yield from _options(own)
    yield from ("It takes the options of a project, too." if looks else "It takes no options of a project.", "")


def _options(options: Iterable[click.Option]) -> Iterator[str]:
    rows = [(_spelt(one), _told(one)) for one in options if not one.hidden]
    yield from _table(("option", "does"), rows) if rows else ()


def _spelt(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} " + " or ".join(f"`{choice}`" for choice in option.type.choices)
    return f"{names} {option.metavar or option.type.name.upper()}"


def _told(option: click.Option) -> str:
    text = re.sub(r"\s*\[default: (.*?)\]$", r" Default: \1.", option.help or "")
    shown = option.show_default and not option.is_flag and option.default not in (None, ())
    return f"{text} Default: `{option.default}`." if shown else text


# --- codes ----------------------------------------------------------------------------------------------------------


def _errors() -> Iterator[str]:
    for digit, group in GROUPS.items():
        codes = [code for code in errors.CATALOG if code[4] == digit]
        if codes:
            yield from (f"## {digit}xx: {group}", "")
            yield from _table(("code", "means", "what mends it"), ((c, errors.CATALOG[c], _prose(c)) for c in codes))


def _prose(code: str) -> str:
    return re.sub(r"(\{\{.*?\}\})", r"`\1`", TEXTS.get(code, "")).replace("``", "`")


def _exit_codes() -> Iterator[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^\| exit code \| means \|\n(?:\|.*\n)+", text, re.MULTILINE)
    yield from (*found.splitlines(), "", "Errors that end a whole command are of these kinds:", "")
    kinds = [one for one in errors.RevetlError.__subclasses__() if one.__module__ == errors.__name__]
    rows = ((str(one.exit_code), f"`{one.__name__}`", inspect.cleandoc(one.__doc__ or "")) for one in kinds)
    yield from _table(("exit code", "class in `revetl.errors`", "is raised where"), rows)


def _destinations() -> Iterator[str]:
    head = ("destination", "type", "objects", "cohorts as", "who leaves", "read back", "erases")
    yield from _table(head, (_destination(name) for name in sorted(BUILT_IN)))
    yield from ("A destination of your own is a package: see [the example](../../examples/third-party/README.md).", "")


def _destination(name: str) -> tuple[str, ...]:
    one = registry()[name]
    things = one.objects.values()
    styles = dict.fromkeys(style for thing in things for style in thing.cohorts)
    leaves = sorted({str(policy) for thing in things for policy in thing.on_leave})
    return (
        f"[{one.title}](../destinations/{name}.md)", f"`{name}`", ", ".join(f"`{thing}`" for thing in one.objects),
        ", ".join(f"`{style}`" for style in styles), ", ".join(f"`{policy}`" for policy in leaves),
        "yes" if one.read_back else "no", "yes" if one.erase else "no",
    )  # fmt: skip


# --- keys -----------------------------------------------------------------------------------------------------------


def _meta() -> Iterator[str]:
    defs = meta()["$defs"]
    yield from _keys("A model", ItemSpec, defs)
    yield from _keys("A column", ColumnSpec, defs)
    yield from _keys("A field that a column goes to", FieldOptions, defs)
    yield from _keys("A cohort in a destination", CohortOptions, defs)
    yield from _others(defs, {ItemSpec, ColumnSpec, FieldOptions, CohortOptions})


def _yml() -> Iterator[str]:
    whole = root({name: registry()[name] for name in BUILT_IN})
    defs = {**whole["$defs"], "RootSpec": whole}
    yield from _keys("The file", RootSpec, defs)
    yield from _keys("A destination", DestinationSpec, defs)
    yield from ("The settings of each type are on [its page](destinations.md).", "")
    yield from _keys("A sync", SyncConfig, defs)
    yield from _others(defs, {RootSpec, DestinationSpec, SyncConfig})


def _others(defs: Mapping[str, Schema], told: set[type[Strict]]) -> Iterator[str]:
    """Yield the parts that others consist of, by name."""
    every = {one.__name__: one for one in _specs(Strict)}
    for name in sorted(set(defs) & set(every) - {one.__name__ for one in told}):
        yield from _keys(_heading(name), every[name], defs)


def _specs(base: type[Strict]) -> Iterator[type[Strict]]:
    for one in base.__subclasses__():
        yield one
        yield from _specs(one)


def _heading(name: str) -> str:
    return re.sub(r"(Spec|Config|Options)$", "", name).lower() if name != "LinkSpec" else "link"


def _keys(title: str, spec: type[Strict], defs: Mapping[str, Schema]) -> Iterator[str]:
    yield from (f"## {title}", "")
    if title == _heading(spec.__name__):
        yield from (" ".join((spec.__doc__ or "").replace("``", "`").split()), "")
    given, means = defs[spec.__name__]["properties"], KEYS[spec.__name__]
    keys = [(info.alias or name, info) for name, info in spec.model_fields.items()]
    rows = ((f"`{key}`", _takes(given.get(key, {}), defs), _default(info), _linked(means[key])) for key, info in keys)
    yield from _table(("key", "takes", "default", "means"), rows)


def _linked(text: str) -> str:
    """Return a text whose pages can be followed."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](../\1)", text)


def _takes(schema: Schema, defs: Mapping[str, Schema]) -> str:
    parts = schema.get("anyOf") or [schema]
    return " or ".join(dict.fromkeys(word for one in parts if (word := _word(one, defs))))


def _word(schema: Schema, defs: Mapping[str, Schema]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{_heading(name)}](#{_anchor(name)})" if "properties" in defs[name] else _word(defs[name], defs)
    if "anyOf" in schema or "oneOf" in schema:
        return _takes({"anyOf": schema.get("anyOf") or schema["oneOf"]}, defs)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return " or ".join(
            f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in values if one is not None
        )
    return str(schema["description"]) if "description" in schema else _kind(schema, defs)


def _kind(schema: Schema, defs: Mapping[str, Schema]) -> str:
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_takes(schema['items'], defs)}" if isinstance(schema.get("items"), dict) else "list"
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        inner = schema.get("additionalProperties")
        values = _takes(inner, defs) if isinstance(inner, dict) and inner else ""
        return f"mapping, name → {f'({values})' if ' or ' in values else values}" if values else "mapping"
    names = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "`true` or `false`",
        "null": "",
    }
    kinds = kind if isinstance(kind, list) else [kind]
    return " or ".join(names[str(one)] for one in kinds if names.get(str(one)))


def _anchor(name: str) -> str:
    titles = {"ColumnSpec": "a-column", "CohortOptions": "a-cohort-in-a-destination", "SyncConfig": "a-sync",
              "FieldOptions": "a-field-that-a-column-goes-to", "DestinationSpec": "a-destination"}  # fmt: skip
    return titles.get(name, _heading(name))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    value = value.value if isinstance(value, Enum) else value
    if value is None or value is PydanticUndefined or value in ((), {}) or isinstance(value, Strict):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for file, text in pages().items():
        (PAGES / file).write_text(text, encoding="utf-8")
