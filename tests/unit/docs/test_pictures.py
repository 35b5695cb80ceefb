"""Pictures are numbers: every pair has its curve, and a size over time is drawn within its frame."""

from __future__ import annotations

from revetl.docs.book import Size
from revetl.docs.pictures import LONGEST, flow, plot


def test_flow() -> None:
    """Each text stands once on its side, each pair has one curve, and what is too long is cut but told whole."""
    long = "m." + "x" * 80
    made = flow([("m.a", "A"), ("m.a", "B"), (long, "B"), ("m.a", "A")], frozenset({"m.a"}))
    assert [(label.whole, label.marked) for label in made.left] == [("m.a", True), (long, False)]
    assert [label.text for label in made.right] == ["A", "B"]
    assert len(made.left[1].text) == LONGEST
    assert len(made.lines) == 3
    assert made.height >= max(label.y for label in (*made.left, *made.right))


def test_flow_of_nothing() -> None:
    """Without a pair there is an empty picture."""
    made = flow([])
    assert (made.left, made.right, made.lines) == ((), (), ())
    assert made.height > 0


def test_plot() -> None:
    """A size holds until the next one: steps, from the first moment to the last, nothing outside the frame."""
    made = plot(
        (Size("2026-11-01 00:00", 10), Size("2026-11-02 00:00", 0), Size("2026-11-04 00:00", 40)), "2026-11-05 00:00"
    )
    assert made is not None
    points = [tuple(map(float, point.split(","))) for point in made.line.split()]
    assert [x for x, _ in points] == [0, *[made.width / 4] * 2, *[made.width * 3 / 4] * 2, *[made.width] * 2]
    ys = [y for _, y in points]
    assert ys[0] == ys[1]
    assert ys[2] == ys[3] == max(ys)
    assert ys[4] == ys[5] == ys[6] == min(ys)
    assert all(0 <= y <= made.height for y in ys)
    assert made.told == "10 from 2026-11-01 00:00; 0 from 2026-11-02 00:00; 40 from 2026-11-04 00:00"


def test_plot_of_little() -> None:
    """One moment is a line across; none is no picture."""
    made = plot((Size("2026-11-01 00:00", 0),), "2026-11-01 00:00")
    assert made is not None
    assert len(made.line.split()) == 3
    assert plot((), "2026-11-01 00:00") is None
