"""``revetl exposures``: one dbt exposure for each sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from revetl.cli.common import Call, common
from revetl.errors import UsageError

if TYPE_CHECKING:
    from revetl.engine.exposing import Exposed


@click.command("exposures")
@common
@click.option("--file", metavar="PATH", help="Which YAML takes new ones.  [default: models/revetl_exposures.yml]")
@click.option("--check", "only", is_flag=True, help="Write nothing; exit 1 where a file would change, for CI.")
def command(call: Call, file: str | None, only: bool) -> int:  # noqa: FBT001
    """Write one dbt exposure for each sync into the project.

    depends_on and meta.revetl follow the sync, and an exposure whose sync is gone is removed; whatever else you edit
    stays, also in files to which you move them.
    """
    from revetl.engine.exposing import expose
    from revetl.engine.workspace import load

    found = expose(load(call.options(), profile=False), file)
    stale = [one for one in found if one.differs]
    for one in stale:
        if not only:
            _write(one)
        call.screen.show(f"{'would change' if only else 'wrote'} {one.file}: {_said(one)}")
    if not stale:
        call.screen.show("every sync has its exposure")
    code = 1 if only and stale else 0
    files = [
        {"file": one.file, "added": one.done.added, "changed": one.done.changed, "removed": one.done.removed}
        for one in stale
    ]
    call.screen.document("exposures", files=files, written=not only, exit_code=code)
    return code


def _said(one: Exposed) -> str:
    parts = {"+": one.done.added, "~": one.done.changed, "-": one.done.removed}
    return ", ".join(f"{sign} {name}" for sign, names in parts.items() for name in names)


def _write(one: Exposed) -> None:
    try:
        one.path.parent.mkdir(parents=True, exist_ok=True)
        one.path.write_text(one.done.text, encoding="utf-8")
    except OSError as error:
        what = f"{one.path} cannot be written: {error.strerror}"
        raise UsageError("RVT-801", what, hint="check its rights") from None
