"""Exposures put into YAML that people edit: what follows the sync is replaced, every other byte stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from revetl.docs.exposures import Exposure
from revetl.errors import UsageError
from revetl.types import JSON

HEAD = """version: 2

# Written by `revetl exposures`, which keeps depends_on and meta.revetl in step. Everything else is yours to edit.
"""


@dataclass(frozen=True, slots=True)
class Spliced:
    """A file's new text, and the names of the exposures that were added, changed and removed."""

    text: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def splice(
    text: str, path: str, here: Mapping[str, Exposure], gone: Callable[[str], bool], new: Sequence[Exposure]
) -> Spliced:
    """Return ``text`` with its exposures in step.

    ``here`` has, by the item's name, what an item should say; ``gone(sync)`` says whether a sync is mapped no more;
    ``new`` are put behind the last item.

    Raises:
        UsageError: RVT-810, the file is not YAML that exposures can be put into.
    """
    sequence = _sequence(text, path)
    edits: list[_Edit] = []
    changed, removed = [], []
    for item in sequence.value if sequence else ():
        name, sync = _scalar(item, "name"), _scalar(_at(item, "config", "meta", "revetl"), "sync")
        wanted = here.get(name)
        if sync and gone(sync):
            edits.append(_Edit(_line_start(text, item.start_mark.index), _line_end(text, _end(item)), ""))
            removed.append(name)
        elif wanted is not None:
            mine = list(_in_step(item, wanted))
            edits += mine
            changed += [name] if mine else []
    edits += _additions(text, sequence, new)
    done = text or HEAD
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        done = done[: edit.start] + edit.text + done[edit.end :]
    if sequence and len(removed) == len(sequence.value) and not new:
        done = done.replace("exposures:", "exposures: []", 1)  # a key without a value is nothing that dbt reads
    _check(done, path, (*(e.name for e in new), *changed))
    return Spliced(done, tuple(e.name for e in new), tuple(changed), tuple(removed))


def listed(text: str, path: str) -> Iterator[tuple[str, str]]:
    """Yield name and sync ("" for none) of every exposure in a file.

    Raises:
        UsageError: RVT-810.
    """
    sequence = _sequence(text, path)
    for item in sequence.value if sequence else ():
        yield _scalar(item, "name"), _scalar(_at(item, "config", "meta", "revetl"), "sync")


def _sequence(text: str, path: str) -> yaml.SequenceNode | None:
    """Return the exposures of a file, None where it has none yet."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        raise _refused(path, "it is no YAML") from None
    if root is None:
        return None
    found = _at(root, "exposures")
    if not isinstance(root, yaml.MappingNode) or (found is None and root.flow_style):
        raise _refused(path, "it is no YAML of dbt's in block style")
    if found is None or (isinstance(found, yaml.SequenceNode | yaml.ScalarNode) and not found.value):
        return None
    if not isinstance(found, yaml.SequenceNode) or found.flow_style:
        raise _refused(path, "its exposures are no list in block style")
    return found


def _refused(path: str, why: str) -> UsageError:
    return UsageError("RVT-810", f"{path} cannot take exposures: {why}", kept="nothing was changed",
                      hint="name another file with --file, or mend this one")  # fmt: skip


def _pair(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next(((name, value) for name, value in pairs if name.value == key), None)


def _at(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    for key in keys:
        found = _pair(node, key)
        node = found[1] if found else None
    return node


def _scalar(node: yaml.Node | None, key: str) -> str:
    found = _at(node, key)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def _end(node: yaml.Node) -> int:
    """Return where a node's own text ends: a block's mark lies behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 or text[index - 1 : index] == "\n" else found + 1


def _in_step(item: yaml.Node, wanted: Exposure) -> Iterator[_Edit]:
    """Yield the edits that bring an item's models and meta in step; what is so already keeps its look."""
    depends = _pair(item, "depends_on")
    if isinstance(item, yaml.CollectionNode) and depends is not None and _data(depends[1]) != list(wanted.depends_on):
        yield _replaced(item, *depends, list(wanted.depends_on))
    above = _at(item, "config", "meta")
    meta = _pair(above, "revetl")
    if isinstance(above, yaml.CollectionNode) and meta is not None and _data(meta[1]) != dict(wanted.meta):
        yield _replaced(above, *meta, dict(wanted.meta))


def _data(node: yaml.Node) -> JSON:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_data(part) for part in node.value]
    return {name.value: _data(value) for name, value in node.value}


def _replaced(parent: yaml.CollectionNode, key: yaml.Node, value: yaml.Node, data: JSON) -> _Edit:
    text = f": {_flow(data)}" if parent.flow_style else ":\n" + "\n".join(_block(data, key.start_mark.column + 2))
    end = _end(value)
    return _Edit(key.end_mark.index, end, text)


def _flow(data: JSON) -> str:
    return json.dumps(data, ensure_ascii=False)


def _block(data: JSON, indent: int) -> Iterator[str]:
    """Yield a list or a mapping of texts and lists as lines of YAML; JSON's texts are YAML's."""
    for part in data.items() if isinstance(data, Mapping) else data:
        yield " " * indent + (f"{part[0]}: {_flow(part[1])}" if isinstance(part, tuple) else f"- {part}")


def _additions(text: str, sequence: yaml.SequenceNode | None, new: Sequence[Exposure]) -> Iterator[_Edit]:
    if not new:
        return
    if sequence is not None:
        at = _line_end(text, _end(sequence))
        gap = "" if text[:at].endswith("\n") else "\n"
        dash = sequence.start_mark.column
        yield _Edit(at, at, gap + "".join("\n" + _item(exposure, dash) for exposure in new))
        return
    whole = text or HEAD
    empty = _pair(yaml.compose(whole, Loader=yaml.SafeLoader), "exposures")
    items = "\n".join(_item(exposure, 2) for exposure in new)
    if empty is not None:
        end = _line_end(whole, _end(empty[1]))
        yield _Edit(empty[0].end_mark.index, end, f":\n{items}")
        return
    yield _Edit(len(whole), len(whole), f"{'' if whole.endswith(chr(10)) else chr(10)}\nexposures:\n{items}")


def _item(exposure: Exposure, dash: int) -> str:
    lines = [
        f"- name: {exposure.name}", f"  label: {_flow(exposure.label)}", "  type: application",
        *([f"  url: {_flow(exposure.url)}"] if exposure.url else []),
        f"  description: {_flow(exposure.description)}", f"  owner: {{name: {_flow(exposure.owner)}}}",
        "  depends_on:", *_block(list(exposure.depends_on), 4), "  config:", "    meta:", "      revetl:",
        *_block(exposure.meta, 8),
    ]  # fmt: skip
    return "".join(f"{' ' * dash}{line}\n" for line in lines)


def _check(text: str, path: str, names: Sequence[str]) -> None:
    """Refuse a text in which what was written does not stand: nothing is changed then."""
    try:
        found = {name for name, _ in listed(text, path)}
    except UsageError:
        found = set()
    if not set(names) <= found:
        raise _refused(path, "it is written in a way that cannot be edited")
