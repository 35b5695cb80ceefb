"""What ``check`` found, for a pull request's readers and for the programs that show findings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

from revetl import __version__
from revetl.cli.github import cell, place, table
from revetl.cli.render_check import effect, estimated, turn, what
from revetl.cli.screen import SCHEMA_VERSION, plain
from revetl.cli.words import clean
from revetl.errors import CATALOG, UsageError
from revetl.types import JSON, Problem, Severity

if TYPE_CHECKING:
    from revetl.engine.checking import Checked
    from revetl.mapping.flowdiff import FlowChange

MOST = 200  # rows of a table: a comment on GitHub has 65,536 characters
_ENDINGS = {".md": "markdown", ".sarif": "sarif", ".xml": "junit", ".json": "json"}
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
Locate = Callable[[str], str]


def form_of(path: Path, form: str | None) -> str:
    """Return the form of a report.

    Raises:
        UsageError: RVT-801, the file's name tells none.
    """
    found = form or _ENDINGS.get(path.suffix.lower())
    if found is None:
        endings = ", ".join(_ENDINGS)
        raise UsageError("RVT-801", f"--export {path}: its name ends in none of {endings}", hint="add --format")
    return found


def report(found: Checked, form: str, locate: Locate) -> str:
    """Return the report as text; ``locate`` turns a finding's file into its path in the repository."""
    if form == "markdown":
        return markdown(found)
    if form == "junit":
        return _junit(found)
    whole = _sarif(found, locate) if form == "sarif" else _document(found)
    return orjson.dumps(whole, default=plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n"


def document(found: Checked) -> dict[str, JSON]:
    """Return the parts of the result as one document."""
    return {
        "target": found.target, "problems": found.problems, "compared": found.compared, "changes": found.changes,
        "estimates": found.estimates, "skipped": found.skipped, "orphans": found.orphans,
        "syncs": [sync.name for sync in found.syncs], "exit_code": found.exit_code,
    }  # fmt: skip


def _document(found: Checked) -> dict[str, JSON]:
    return {"schema_version": SCHEMA_VERSION, "command": "check", **document(found)}


def notices(changes: Sequence[FlowChange], *, new: bool = False) -> Iterator[Problem]:
    """Yield changes as findings that fail nothing; ``new``: only those by which data newly leave."""
    for change in changes:
        if change.leaves or not new:
            said = " ".join(part for part in (f"{change.sync}:", what(change), turn(change)) if part)
            words = f"{said}: {effect(change)}" if effect(change) else said
            yield Problem(
                _code(change), words, severity=Severity.NOTE, sync=change.sync, model=change.model,
                column=change.column, file=change.file or "revetl.yml", evidence=change.evidence,
            )  # fmt: skip


def _code(change: FlowChange) -> str:
    kind = str(change.kind)
    if change.leaves:
        return "RVT-392"
    if kind.endswith("_removed"):
        return "RVT-393"
    if kind.endswith("_redefined"):
        return "RVT-395"
    return "RVT-394" if change.resends else "RVT-396"


def markdown(found: Checked) -> str:
    """Return what stands in a comment on a pull request, and in a step's summary."""
    parts = [f"### {cell(f'revetl check: {len(found.problems)} findings, target {found.target}')}\n"]
    if found.problems:
        rows = [(str(p.severity), p.code, p.file or p.model or "", p.message, p.remedy) for p in found.problems]
        parts.append(_cut(("", "code", "where", "what", "instead"), rows))
    if found.compared is not None:
        parts.append(f"#### {cell(f'Data flows against {found.compared}')}\n")
        rows = [(_sign(c), c.sync, what(c), turn(c), effect(c)) for c in found.changes]
        head = ("", "sync", "what", "before → after", "effect")
        parts.append(_cut(head, rows) if rows else "Nothing leaves that did not before.\n")
    parts += [f"≈ {cell(estimated(estimate))}\n" for estimate in found.estimates]
    return "\n".join(parts) + "\n"


def _sign(change: FlowChange) -> str:
    kind = str(change.kind)
    return "new" if change.leaves else "gone" if kind.endswith("_removed") else "changed"


def _cut(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    more = f"\n… and {len(rows) - MOST} more\n" if len(rows) > MOST else ""
    return table(head, rows[:MOST]) + more


def _sarif(found: Checked, locate: Locate) -> dict[str, JSON]:
    """Return SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html."""
    all_found = (*found.problems, *notices(found.changes))
    codes = sorted({problem.code for problem in all_found})
    rules = [{"id": code, "shortDescription": {"text": CATALOG[code]}} for code in codes]
    driver = {"name": "revetl", "version": __version__, "rules": rules}
    results = [_result(problem, codes.index(problem.code), locate) for problem in all_found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _result(problem: Problem, rule: int, locate: Locate) -> dict[str, JSON]:
    file, line = place(problem.file)
    about = ".".join(part for part in (problem.model, problem.column) if part)
    text = "\n".join(part for part in (clean(problem.message), clean(problem.remedy)) if part)
    where: dict[str, JSON] = {}
    if file:
        where["physicalLocation"] = {
            "artifactLocation": {"uri": quote(locate(file))},
            "region": {"startLine": max(int(line or 1), 1)},
        }
    if about:
        where["logicalLocations"] = [{"fullyQualifiedName": clean(about)}]
    same = "\0".join((problem.code, problem.sync or "", file, about, problem.message))
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": _LEVELS[problem.severity],
        "message": {"text": text},
        "locations": [where] if where else [],
        "partialFingerprints": {"revetl/v1": hashlib.sha256(same.encode("utf-8", "replace")).hexdigest()},
    }


def _junit(found: Checked) -> str:
    """Return JUnit's XML: a case a finding, and one that passes for each sync that has no error."""
    from xml.etree import ElementTree as ET

    from revetl.cli import junit

    suite = ET.Element("testsuite", name="revetl check")
    failures = 0
    for problem in found.problems:
        about = ".".join(part for part in (problem.model, problem.column) if part)
        case = junit.case(suite, problem.sync or problem.file or "project", f"{problem.code} {about}".strip())
        words = "\n".join(part for part in (problem.message, problem.remedy) if part)
        if problem.severity is Severity.ERROR:
            failures += 1
            ET.SubElement(case, "failure", type=problem.code, message=junit.xml(problem.message)).text = junit.xml(
                words
            )
        else:
            ET.SubElement(case, "system-out").text = junit.xml(f"{problem.severity}: {words}")
    changes = {sync.name: [n.message for n in notices(found.changes) if n.sync == sync.name] for sync in found.syncs}
    for sync, said in changes.items():
        case = junit.case(suite, sync, "data flows")
        if said:
            ET.SubElement(case, "system-out").text = "\n".join(junit.xml(line) for line in said)
    return junit.written(suite, failures)
