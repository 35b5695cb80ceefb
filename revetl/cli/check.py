"""``revetl check``: what CI runs on a pull request."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common


@click.command("check")
@common
@click.option("--strict", is_flag=True, help="Warnings fail too (exit 1).")
def command(call: Call, strict: bool) -> int:  # noqa: FBT001
    """Validate meta and revetl.yml without a connection or a secret.

    With --state DIR (the target directory of another build), show what newly leaves, what stops and what is sent
    again. Exit 2 with errors.
    """
    from revetl.cli import github, render_check
    from revetl.engine.checking import check

    options = call.options(strict=strict)
    found = check(options)
    call.screen.show(*render_check.checked(found))
    github.annotate(found.problems, call.project_dir)
    head = ("", "code", "where", "what", "instead")
    rows = [(p.severity, p.code, p.file or p.model or "", p.message, p.remedy) for p in found.problems]
    github.summarise(f"revetl check: {len(found.problems)} findings, target {found.target}", head, rows)
    call.screen.document(
        "check", target=found.target, problems=found.problems, compared=found.compared, changes=found.changes,
        skipped=found.skipped, orphans=found.orphans, syncs=[sync.name for sync in found.syncs],
        exit_code=found.exit_code,
    )  # fmt: skip
    return found.exit_code
