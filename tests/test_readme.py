"""README and the examples' words: every command has these options, every YAML loads, every key is in its table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from revetl.cli import cli
from revetl.config.cases import load_cases
from revetl.config.guards import GuardsSpec
from revetl.config.load import load_config
from revetl.config.notify import NotifySpec, TelemetrySpec
from revetl.config.policies import PoliciesSpec
from revetl.config.schema import Strict, validate
from revetl.config.specs import LedgerConfig, RootSpec, SendConfig, SyncConfig
from revetl.destinations import registry
from revetl.mapping.items import _CODES as META_CODES
from revetl.mapping.meta import ColumnSpec, FieldOptions, ItemSpec
from tests.shared import ROOT

README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
YAML = [*sorted((ROOT / "examples").rglob("*.yml")), *(p for p in PAGES if "```yaml" in p.read_text(encoding="utf-8"))]


def commands(page: Path) -> Iterator[str]:
    """Yield every ``revetl …`` of a page, from fenced blocks and from code in lines."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [part for block in blocks for line in block.splitlines() for part in re.split(r"&&|\|\|?|>", line)]
    lines += [re.sub(r"\s+", " ", code) for code in re.findall(r"(?<!`)`(revetl [^`]+)`", text)]
    for line in lines:
        words = line.split(" # ")[0].strip()
        if re.match(r"(\S*/)?revetl [a-z]", words):
            yield words


def known(command: click.Command) -> set[str]:
    """Return the options of a command."""
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist_with_their_options(page: Path) -> None:
    """A command that a page names exists, and so does each of its options."""
    assert isinstance(cli, click.Group)
    for line in commands(page):
        _, name, *words = shlex.split(line)
        command = cli.get_command(click.Context(cli), name.rstrip(","))
        assert command is not None, line
        given = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known(command), line


def test_every_command_is_in_the_readme() -> None:
    """README names each command that there is."""
    assert isinstance(cli, click.Group)
    named = {shlex.split(line)[1] for line in commands(README)}
    assert set(cli.list_commands(click.Context(cli))) <= named


def samples(path: Path) -> Iterator[Any]:
    """Yield the YAML of a file, or of a page's fenced blocks."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if path.suffix == ".md" else [text]
    yield from blocks


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(ROOT)))
def test_yaml_is_valid(path: Path) -> None:
    """Each revetl.yml loads without a problem; each ``revetl:`` in a model's YAML fits its schema."""
    seen = 0
    for text in samples(path):
        data = yaml.safe_load(text)
        if "version" in data and "destinations" in data:
            assert load_config(text, path=path.name).problems == ()
            seen += 1
        if "cases" in data:
            assert load_cases(text, path=path.name)
            seen += 1
        for model in data.get("models", ()):
            seen += 1
            assert valid(ItemSpec, model["config"]["meta"]["revetl"])
            metas = [column["config"]["meta"]["revetl"] for column in model.get("columns", ()) if "config" in column]
            assert all(valid(ColumnSpec, meta) for meta in metas)
    # a workflow, an action, hooks; a part of revetl.yml
    assert seen or data.keys() & {"jobs", "runs", "repos"} or data.keys() <= RootSpec.model_fields.keys()


def valid(spec: type[Strict], data: Any) -> bool:
    """Return whether ``data`` fits, saying why not."""
    _, complaints = validate(spec, data, META_CODES)
    assert complaints == ()
    return True


@pytest.mark.parametrize("spec", [RootSpec, SyncConfig, ItemSpec, ColumnSpec, FieldOptions, GuardsSpec, SendConfig,
                                  LedgerConfig, PoliciesSpec, NotifySpec, TelemetrySpec])  # fmt: skip
def test_every_key_is_in_the_reference(spec: type[Strict]) -> None:
    """README's reference names each key that the schema knows."""
    text = README.read_text(encoding="utf-8")
    reference = text[text.index("## Configuration reference") : text.index("## What is not there yet")]
    assert [key for key in spec.model_fields if not re.search(rf"\b{key}\b", reference)] == []


def test_keys_that_are_not_there_yet_are_said_to_be() -> None:
    """README names each key that is refused as not there yet."""
    text = README.read_text(encoding="utf-8").partition("## What is not there yet")[2]
    later = RootSpec.not_yet | SyncConfig.not_yet | ItemSpec.not_yet | ColumnSpec.not_yet
    assert [key for key in sorted(later) if f"`{key}`" not in text] == []


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_setting_is_in_the_reference(name: str) -> None:
    """README names each setting of each destination, and no other."""
    (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row)))
    assert named == set(registry()[name].settings.model_fields)
