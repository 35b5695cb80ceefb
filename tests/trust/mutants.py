"""Which changes of the code are made: mutmut's, with those of SQL, and without those that no reader would see."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import libcst as cst
from mutmut.mutation import mutators
from mutmut.mutation.file_mutation import mutate_file_contents

SWAPS = (  # of SQL: what is written, and what it becomes
    (r"\bAND\b", "OR"),
    (r"\bOR\b(?! REPLACE)", "AND"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bIS DISTINCT FROM\b", "IS NOT DISTINCT FROM"),
    (r"\bIS NOT DISTINCT FROM\b", "IS DISTINCT FROM"),
    (r"\bNOT (?=EXISTS|IN\b|\()", ""),
    (r"(?<!NOT )(?=\bEXISTS\b)", "NOT "),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bDESC\b", ""),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r" = ", " <> "),
    (r" <> ", " = "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" <= ", " < "),
    (r" >= ", " > "),
)
SQL = re.compile(
    r"\b(?:SELECT|FROM|WHERE|AND|OR|NOT|IS|JOIN|UNION|ORDER|CASE|WHEN|INSERT|UPDATE|DELETE|CREATE|AS|IN)\b"
)


def sql(text: str) -> Iterator[str]:
    """Yield a text of SQL with one thing swapped."""
    for old, new in SWAPS:
        for found in re.finditer(old, text):
            yield text[: found.start()] + new + text[found.end() :]


def in_string(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Yield other texts: of SQL one that asks for something else, of a word another; none of prose."""
    if not isinstance(node, cst.SimpleString) or '"""' in node.value:
        return
    if SQL.search(node.value) or " = " in node.value:
        yield from (node.with_changes(value=text) for text in sql(node.value))
    elif " " not in node.value.strip("\"' "):
        yield node.with_changes(value=f"{node.prefix}{node.quote}XX{node.raw_value}XX{node.quote}")


def in_template(node: cst.FormattedStringText) -> Iterable[cst.FormattedStringText]:
    """Yield other SQL between the braces of an f-string."""
    yield from (node.with_changes(value=text) for text in sql(node.value))


def mutate(path: str, source: str) -> str:
    """Return a module with all of its mutants in it."""
    kept = [one for one in mutators.mutation_operators if one[0] not in {cst.BaseString, cst.FormattedStringText}]
    mutators.mutation_operators[:] = [*kept, (cst.BaseString, in_string), (cst.FormattedStringText, in_template)]
    return str(mutate_file_contents(path, source).code)


def names(code: str) -> list[str]:
    """Return the mutants of a module that was made."""
    return re.findall(r"^ *(?:async )?def (\w+__mutmut_\d+)\(", code, re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """What a mutant changes: lines that are gone, and lines in their place."""

    old: str
    new: str


def change(code: str, mutant: str) -> Change:
    """Return what a mutant of a module that was made changes."""
    original = f"{mutant.rpartition('__mutmut_')[0]}__mutmut_orig"
    functions = {
        node.name: code.splitlines()[node.lineno : node.end_lineno]  # without its name
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in {mutant, original}
    }
    diff = list(difflib.unified_diff(functions[original], functions[mutant], n=0, lineterm=""))[2:]
    return Change(*(" ".join(one[1:].strip() for one in diff if one[0] == sign) for sign in "-+"))
