"""What ``adopt`` found, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from revetl.engine.adopting import Adopted


def adopted(found: Sequence[Adopted], *, keep: bool) -> list[RenderableType]:
    """Return a row per adopted sync, then what differs and what failed."""
    table = Table(title="Adopted" if keep else "Compared; nothing was kept")
    for name in ("sync", "records", "same", "differing", "missing there", "memberships", "opted out"):
        table.add_column(name, justify="left" if name == "sync" else "right")
    lines: list[RenderableType] = []
    for one in found:
        if one.error:
            lines.append(Text(one.error))
            continue
        numbers = (one.rows, one.same, one.differing, one.missing, one.memberships, one.opted_out)
        table.add_row(one.sync, *(str(number) for number in numbers))
        lines += [Text(f"{one.sync}: {field} differs in {n} records") for field, n in (one.fields or {}).items()]
    return [table, *lines] if table.row_count else lines
