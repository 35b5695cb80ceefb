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
from revetl.config import cases
from revetl.config.load import load_config
from revetl.config.schema import Strict, validate
from revetl.config.specs import RootSpec
from revetl.destinations import registry
from revetl.engine.described import KEYS
from revetl.engine.schemas import schemas
from revetl.mapping.items import _CODES as META_CODES
from revetl.mapping.meta import ColumnSpec, ItemSpec
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
            assert cases.load_cases(text, path=path.name)
            seen += 1
        for model in data.get("models", ()):
            seen += 1
            assert valid(ItemSpec, model["config"]["meta"]["revetl"])
            metas = [column["config"]["meta"]["revetl"] for column in model.get("columns", ()) if "config" in column]
            assert all(valid(ColumnSpec, meta) for meta in metas)
    # a workflow, an action, hooks; a part of revetl.yml
    assert seen or data.keys() & {"jobs", "runs", "repos", "sources"} or data.keys() <= RootSpec.model_fields.keys()


def valid(spec: type[Strict], data: Any) -> bool:
    """Return whether ``data`` fits, saying why not."""
    _, complaints = validate(spec, data, META_CODES)
    assert complaints == ()
    return True


def parts(base: type[Strict] = Strict) -> Iterator[type[Strict]]:
    """Yield the parts of revetl.yml, of meta and of cases."""
    for part in base.__subclasses__():
        yield from [part] if not part.__name__.startswith("_") else []
        yield from parts(part)


@pytest.mark.parametrize("part", list(parts()), ids=lambda part: part.__name__)
def test_every_key_says_what_it_means(part: type[Strict]) -> None:
    """Editors and the reference tell each key that the schema knows, and no other, in a sentence."""
    keys = {info.alias or name for name, info in part.model_fields.items()}
    assert set(KEYS[part.__name__]) == keys
    assert [text for text in KEYS[part.__name__].values() if not text.endswith(".")] == []


def test_editors_show_what_a_key_means() -> None:
    """The schemas carry the words, at the top and in the parts."""
    made = schemas(registry())
    assert made["revetl"]["properties"]["memory_limit"]["description"] == KEYS["RootSpec"]["memory_limit"]
    assert made["meta"]["$defs"]["ColumnSpec"]["properties"]["pii"]["description"] == KEYS["ColumnSpec"]["pii"]
    for name in made:
        told = {part: one["properties"] for part, one in made[name]["$defs"].items() if part in KEYS}
        assert all("description" in schema for keys in told.values() for schema in keys.values())


@pytest.mark.parametrize("name", list(registry()))
def test_editors_show_what_a_setting_means(name: str) -> None:
    """Each setting of a destination has its sentence where it is declared; that of a secret says how it is written."""
    settings = registry()[name].settings.model_fields
    target = schemas(registry())["revetl"]["$defs"][f"type-{name}"]["properties"]["targets"]
    shown = target["additionalProperties"]["anyOf"][1]["properties"]
    assert "sandbox" not in settings  # that is the stand-in's key
    assert [key for key, info in settings.items() if not (info.description or "").endswith(".")] == []
    assert [key for key, info in settings.items() if not shown[key]["description"].startswith(info.description)] == []
    secrets = {key for key, info in settings.items() if "SecretStr" in str(info.annotation)}
    assert {key for key in settings if "env_var" in shown[key]["description"]} == secrets


def test_pages_that_keys_point_to_are_there() -> None:
    """A page named in the words of a key exists."""
    named = {name for keys in KEYS.values() for text in keys.values() for name in re.findall(r"docs/[\w-]+\.md", text)}
    assert named
    assert all((ROOT / name).is_file() for name in named)
