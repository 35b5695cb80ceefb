"""``revetl test``: cases of rows and of what must become of them, tried offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from revetl.cli.common import Call, common
from revetl.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from revetl.config.cases import Case
    from revetl.engine.trying import Tried

_STYLES = {"-": "red", "+": "green"}


@click.command("test")
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@common
@click.option("-k", "--case", "names", multiple=True, metavar="NAME", help="Only cases of this name (* for any text).")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit's XML there, for CI.")
def command(call: Call, files: tuple[Path, ...], names: tuple[str, ...], junit: Path | None) -> int:
    """Try the cases in FILES (revetl_tests/ without any): given these rows, these records and calls.

    Manifest and revetl.yml are the project's own, rows come from the cases, stand-ins take the place of destinations:
    no warehouse is asked, and nothing leaves this machine. --select takes the cases that speak of a sync. Exit 1 where
    a case fails.
    """
    from revetl.engine.trying import read_cases, try_cases

    cases = [case for case in read_cases(call.options(), files) if _wanted(case, names)]
    cases = _about(call, cases)
    tried = []
    for one in try_cases(call.options(), cases):
        tried.append(one)
        call.screen.paste(*_lines(one))
    failed = [one for one in tried if not one.passed]
    if junit:
        _write(junit, _report(tried))
    call.screen.show(f"{len(tried) - len(failed)} passed, {len(failed)} failed")
    code = 1 if failed else 0
    call.screen.document("test", cases=tried, exit_code=code)
    return code


def _wanted(case: Case, names: Sequence[str]) -> bool:
    return not names or any(fnmatchcase(case.spec.name.lower(), name.lower()) for name in names)


def _about(call: Call, cases: list[Case]) -> list[Case]:
    """Return the cases that speak of what is selected.

    Raises:
        UsageError: RVT-132, there is none.
    """
    options = call.options()
    if options.select or options.exclude:
        from revetl.engine.casing import said_of
        from revetl.engine.trying import selected

        syncs = selected(options)
        spoken = [[said_of(step.expect.model_dump()) for step in c.spec.steps if step.expect] for c in cases]
        cases = [case for case, said in zip(cases, spoken, strict=True) if syncs & set().union(*said)]
    if not cases:
        raise UsageError("RVT-132", "no case is left to try", hint="leave out --case, --select or --exclude")
    return cases


def _lines(one: Tried) -> Iterator[Text]:
    from rich.text import Text

    from revetl.cli.render import hint
    from revetl.cli.words import clean, span

    mark = ("ok     ", "green") if one.passed else ("FAILED ", "bold red")
    step = "" if one.passed or one.step == 1 else f", step {one.step}"
    yield Text.assemble(mark, f"{clean(one.file)}: {clean(one.name)}{step}", (f"  {span(one.seconds)}", "dim"))
    if one.error:
        yield Text(f"  {clean(one.error)}")
    for line in one.diff:
        yield Text(f"  {clean(line)}", style="dim" if line[:3] in ("---", "+++") else _STYLES.get(line[:1], ""))
    if one.found:
        yield hint("nothing is expected; what came, to be read and then pasted below `expect:`")
        yield from (Text(f"      {clean(line)}") for line in one.found.splitlines())


def _report(tried: Sequence[Tried]) -> str:
    from xml.etree import ElementTree as ET

    from revetl.cli import junit

    suite = ET.Element("testsuite", name="revetl test", time=f"{sum(one.seconds for one in tried):.3f}")
    for one in tried:
        case = junit.case(suite, one.file, one.name)
        case.set("time", f"{one.seconds:.3f}")
        if not one.passed:
            what = one.error or ("nothing is expected" if one.found else f"step {one.step} is not as expected")
            failure = ET.SubElement(case, "failure", message=junit.xml(what))
            failure.text = "\n".join(junit.xml(line) for line in (one.diff or one.found.splitlines()))
    return junit.written(suite, sum(not one.passed for one in tried))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError("RVT-801", f"{path} cannot be written: {error.strerror}", hint="check its rights") from None
