"""Everything that is wrong, gathered: each finding once, with the syncs that it stops."""

from __future__ import annotations

from collections.abc import Iterable

from revetl.types import Node, Problem, Severity


def file_of(node: Node) -> str:
    """Return the file in which people change a model's meta."""
    return node.patch_file or node.file


def model_name(node: Node) -> str:
    """Return a model's name as people know it, with its version."""
    return f"{node.name}.v{node.version}" if node.version else node.name


# What is not allowed, rather than wrong: the sync could run, and what it would do is known.
REFUSALS = frozenset({"RVT-307", "RVT-350", "RVT-351", "RVT-352", "RVT-353", "RVT-354", "RVT-355", "RVT-356"})


class Complaints:
    """Gathers findings; an error stops the syncs it is said to concern, and no other.

    ``faulty``: syncs that are wrong; ``refused``: syncs that are not allowed.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._found: list[Problem] = []
        self.faulty: set[str] = set()
        self.refused: set[str] = set()

    def error(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        syncs: Iterable[str] = (),
        node: Node | None = None,
        column: str | None = None,
        file: str | None = None,
        evidence: str = "manifest",
    ) -> None:
        """Add an error that stops ``syncs``; ``Problem.sync`` is filled where it is exactly one."""
        self._add(Severity.ERROR, (code, message, remedy), tuple(syncs), node, column, file, evidence)

    def warning(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        syncs: Iterable[str] = (),
        node: Node | None = None,
        column: str | None = None,
        file: str | None = None,
    ) -> None:
        """Add a warning, which stops nothing."""
        self._add(Severity.WARNING, (code, message, remedy), tuple(syncs), node, column, file, "manifest")

    def _add(
        self,
        severity: Severity,
        words: tuple[str, str, str],
        syncs: tuple[str, ...],
        node: Node | None,
        column: str | None,
        file: str | None,
        evidence: str,
    ) -> None:
        if severity is Severity.ERROR:
            (self.refused if words[0] in REFUSALS else self.faulty).update(syncs)
        self._found.append(
            Problem(
                *words,
                severity=severity,
                sync=syncs[0] if len(set(syncs)) == 1 else None,
                model=model_name(node) if node else None,
                column=column,
                file=file or (file_of(node) if node else None),
                evidence=evidence,
            )
        )

    @property
    def broken(self) -> set[str]:
        """Return the syncs that may not run."""
        return self.faulty | self.refused

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the findings by file, model and column, each once."""
        return tuple(sorted(dict.fromkeys(self._found), key=order))


def order(problem: Problem) -> tuple[str, int, str, str, str, str]:
    """Return what findings are sorted by; line numbers count as numbers."""
    file, _, line = (problem.file or "").rpartition(":")
    path, number = (file, int(line)) if file and line.isdecimal() else (problem.file or "", 0)
    return (path, number, problem.model or "", problem.column or "", problem.code, problem.message)
