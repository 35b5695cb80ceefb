"""Meta to add → the YAML file in which a model is described, with it; every other byte stays as people wrote it. Pure.

The text is not written anew from its data: words are put in at the places that the parser names. What comes of it is
read again, and must say what was said before and the meta, nothing else; where it does not, there is no edit.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Any

import yaml

from revetl.engine.scaffold import plain_text
from revetl.types import JSON

Edit = tuple[int, str]  # where, as an index of the text; what is put in there


class UnfitError(ValueError):
    """A file that no meta can be put into without a person's eye; its text says why."""


def with_meta(text: str, lines: str) -> str:
    """Return a file's text with what ``lines`` says of one model (as `revetl init` shows it).

    An empty text becomes a file of its own.

    Raises:
        UnfitError: the file is no YAML, does not describe the model, or says something else there already.
    """
    if not text.strip():
        return f"version: 2\n\n{lines}"
    wanted = _model(yaml.safe_load(lines)["models"], None)
    try:
        before, tree = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UnfitError("it cannot be read as YAML") from error
    found = _Writer(text).edits(_node_of(tree, wanted["name"]), wanted)
    after = _put(text, found)
    try:
        sound = yaml.safe_load(after) == _said(before, wanted)
    except yaml.YAMLError:
        sound = False
    if not sound:
        raise UnfitError("it is written in a way that cannot be added to by itself (an anchor, say)")
    return after


def diff(before: str, after: str, path: str) -> str:
    """Return the change of a file as ``patch -p1`` takes it."""
    old = f"a/{path}" if before else "/dev/null"
    parts = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), old, f"b/{path}")
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


class _Writer:
    """Finds where words go in one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = "\r\n" if "\r\n" in text else "\n"

    def edits(self, model: yaml.MappingNode, wanted: Mapping[str, Any]) -> list[Edit]:
        """Return what is put in for a model and its columns."""
        found = list(self._meta(model, wanted["config"]["meta"]["revetl"], wanted["name"]))
        missing: list[Mapping[str, Any]] = []
        listed = _value(model, "columns")
        for column in wanted.get("columns", ()):
            node = _named(listed, column["name"])
            if node is None:
                missing.append(column)
            else:
                found += self._meta(node, column["config"]["meta"]["revetl"], column["name"])
        return found + self._columns(model, listed, missing)

    def _meta(self, node: yaml.MappingNode, value: JSON, name: str) -> Iterator[Edit]:
        """Yield the edit that says ``revetl:`` of a model or a column, none where it says just that."""
        words = f"revetl: {flow(value)}"
        config, own = _value(node, "config"), _value(node, "meta")
        holder = own if own is not None else _value(config, "meta")
        there = _value(holder, "revetl")
        if there is not None:
            if yaml.safe_load(yaml.serialize(there)) != value:
                raise UnfitError(f"{name} has meta of revetl that says something else")
        elif holder is not None:
            yield self._into(holder, words)
        elif config is not None:
            yield self._into(config, f"meta: {{{words}}}")
        else:
            yield self._below_name(node, f"config: {{meta: {{{words}}}}}")

    def _into(self, holder: yaml.Node, words: str) -> Edit:
        """Return the edit that makes ``words`` the first pair of a mapping."""
        if not isinstance(holder, yaml.MappingNode):
            raise UnfitError("a `config:` or `meta:` is empty")
        if not holder.flow_style:
            first = holder.value[0][0].start_mark
            return first.index, f"{words}{self.end}{' ' * first.column}"
        at = holder.start_mark.index + 1
        return at, f"{words}, " if holder.value else words

    def _below_name(self, node: yaml.MappingNode, words: str) -> Edit:
        """Return the edit that says ``words`` on the line below ``name:``, or behind it in a mapping in braces."""
        key, value = next(pair for pair in node.value if pair[0].value == "name")
        if node.flow_style:
            return value.end_mark.index, f", {words}"
        at = self.text.find("\n", value.end_mark.index)
        at = len(self.text) if at < 0 else at
        at -= self.text[:at].endswith("\r")
        return at, f"{self.end}{' ' * key.start_mark.column}{words}"

    def _columns(
        self, model: yaml.MappingNode, listed: yaml.Node | None, missing: list[Mapping[str, Any]]
    ) -> list[Edit]:
        """Return the edit that lists columns which the file does not list yet."""
        if not missing:
            return []
        if listed is None:
            if model.flow_style:
                raise UnfitError("the model is written in braces")
            pad = " " * (model.value[0][0].start_mark.column + 2)
            lines = self.end.join(pad + line for line in self._items(missing))
            return [self._below_name(model, f"columns:{self.end}{lines}")]
        if not isinstance(listed, yaml.SequenceNode) or listed.flow_style:
            raise UnfitError("`columns:` is empty or written in brackets")
        pad = self.end + " " * listed.start_mark.column
        return [(listed.start_mark.index, "".join(line + pad for line in self._items(missing)))]

    def _items(self, columns: list[Mapping[str, Any]]) -> Iterator[str]:
        for column in columns:
            yield f"- name: {plain_text(column['name'])}"
            yield f"  config: {{meta: {{revetl: {flow(column['config']['meta']['revetl'])}}}}}"


def flow(value: JSON) -> str:
    """Return a value as YAML in one line, in the words of `revetl init`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{plain_text(key)}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    return plain_text(value) if isinstance(value, str) else json.dumps(value)


def _put(text: str, edits: list[Edit]) -> str:
    """Return the text with all edits, those of one place in their order."""
    parts, at = [], 0
    for where, words in sorted(edits, key=lambda edit: edit[0]):
        parts += [text[at:where], words]
        at = where
    return "".join([*parts, text[at:]])


def _said(before: Any, wanted: Mapping[str, Any]) -> Any:
    """Return what the file must say afterwards."""
    after = copy.deepcopy(before)
    model = _model(after["models"], wanted["name"])
    _say(model, wanted)
    for column in reversed(wanted.get("columns", ())):
        named = next((one for one in model.get("columns") or () if one.get("name") == column["name"]), None)
        if named is None:
            named = {"name": column["name"]}
            model["columns"] = [named, *(model.get("columns") or ())]
        _say(named, column)
    return after


def _say(part: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    holder = part if part.get("meta") is not None else part.setdefault("config", {})
    holder.setdefault("meta", {})["revetl"] = wanted["config"]["meta"]["revetl"]


def _model(models: Any, name: str | None) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in models if name is None or one["name"] == name)
    return found


def _node_of(tree: yaml.Node | None, name: str) -> yaml.MappingNode:
    found = _named(_value(tree, "models"), name)
    if found is None:
        raise UnfitError(f"it does not describe {name}")
    return found


def _named(listed: yaml.Node | None, name: str) -> yaml.MappingNode | None:
    """Return the item of a list that bears a name."""
    for one in listed.value if isinstance(listed, yaml.SequenceNode) else ():
        said = _value(one, "name")
        if isinstance(said, yaml.ScalarNode) and said.value == name and isinstance(one, yaml.MappingNode):
            return one
    return None


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return what a mapping says under a key."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)
