"""The pictures of the page as numbers and texts: curves from models to fields, and a cohort's size over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from revetl.docs.book import Size

ROW, WIDTH, EDGE = 24, 720, 300  # pixels: of a row, of the picture, of each side's texts
LONGEST = 40  # characters of a text; the whole of it stands in its title
PLOT = 360, 90


@dataclass(frozen=True, slots=True)
class Label:
    """A text of a picture."""

    x: int
    y: int
    text: str
    whole: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """Curves from the left side's texts to the right side's."""

    width: int
    height: int
    left: tuple[Label, ...]
    right: tuple[Label, ...]
    lines: tuple[str, ...]  # of SVG's path


@dataclass(frozen=True, slots=True)
class Plot:
    """A size over time. ``line``: points of SVG's polyline; ``told``: the same in words."""

    width: int
    height: int
    line: str
    first: Size
    last: Size
    most: int
    told: str


def flow(pairs: Sequence[tuple[str, str]], marked: frozenset[str] = frozenset()) -> Flow:
    """Return the picture of ``pairs``; texts of the left side that are ``marked`` stand out."""
    lefts, rights = (tuple(dict.fromkeys(pair[side] for pair in pairs)) for side in (0, 1))
    rows = {side: {text: _y(n) for n, text in enumerate(texts)} for side, texts in enumerate((lefts, rights))}
    start, end = EDGE + 8, WIDTH - EDGE - 8
    bend = (start + end) // 2
    lines = tuple(
        f"M{start} {rows[0][a]} C{bend} {rows[0][a]} {bend} {rows[1][b]} {end} {rows[1][b]}"
        for a, b in dict.fromkeys(pairs)
    )
    left = tuple(Label(EDGE, y, _short(text), text, text in marked) for text, y in rows[0].items())
    right = tuple(Label(WIDTH - EDGE, y, _short(text), text) for text, y in rows[1].items())
    return Flow(WIDTH, ROW * max(len(lefts), len(rights), 1), left, right, lines)


def _y(row: int) -> int:
    return ROW * row + ROW // 2


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def plot(sizes: Sequence[Size], until: str) -> Plot | None:
    """Return the picture of sizes, oldest first; None without any. A size holds until the next, the last ``until``."""
    if not sizes:
        return None
    steps = (*sizes, Size(max(until, sizes[-1].at), sizes[-1].members))
    width, height = PLOT
    times = [datetime.fromisoformat(step.at).replace(tzinfo=UTC).timestamp() for step in steps]
    span, most = max(times[-1] - times[0], 1.0), max(*(step.members for step in steps), 1)
    points: list[str] = []
    before = None
    for time, step in zip(times, steps, strict=True):
        x = width if step is steps[-1] else round((time - times[0]) / span * width, 1)
        y = round(height - step.members / most * (height - 4) - 2, 1)
        points += [f"{x},{before}"] if before is not None else []
        points.append(f"{x},{y}")
        before = y
    told = "; ".join(f"{size.members:,} from {size.at}" for size in sizes[-12:])
    return Plot(width, height, " ".join(points), steps[0], steps[-1], most, told)
