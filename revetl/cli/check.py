"""``revetl check``: what CI runs on a pull request."""

from __future__ import annotations

from pathlib import Path

import click

from revetl.cli.common import Call, common

FORMS = ("markdown", "sarif", "junit", "json")


@click.command("check")
@common
@click.option("--strict", is_flag=True, help="Warnings fail too (exit 1).")
@click.option(
    "--export",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="Write a report to this file, too: .md, .sarif, .xml (JUnit) or .json.",
)
@click.option("--format", "form", type=click.Choice(FORMS), help="Of the exports.  [default: by the file's name]")
def command(call: Call, strict: bool, export: tuple[Path, ...], form: str | None) -> int:  # noqa: FBT001
    """Validate meta and revetl.yml without a connection or a secret.

    With --state DIR (the target directory of another build), show what newly leaves, what stops and what is sent
    again. Exit 2 with errors.
    """
    from revetl.cli import check_report, github, render_check
    from revetl.engine.checking import check

    forms = {path: check_report.form_of(path, form) for path in export}
    options = call.options(strict=strict)
    found = check(options)
    call.screen.show(*render_check.checked(found))
    github.annotate((*found.problems, *check_report.notices(found.changes, new=True)), call.project_dir)
    github.append(check_report.markdown(found))
    for path, wanted in forms.items():
        path.write_text(check_report.report(found, wanted, github.locator(call.project_dir)), encoding="utf-8")
        call.screen.say(f"report written to {path}")
    call.screen.document("check", **check_report.document(found))
    return found.exit_code
