"""Values of a model as a destination spells them: exactly, or refused by name. Pure: it renders SQL, others run it.

The SQL is DuckDB's (1.4 to 2.x). It stands for one column as ``{x}``, raises for no value of the column's type, and
gives JSON text, so that the fields of a change can be joined into its body without leaving the database.
"""

from __future__ import annotations

from revetl.encode.encoding import Encoding, Unencodable
from revetl.encode.hashing import DIGEST, digest, refusing
from revetl.encode.objects import Part, clear_sql, constant_json, object_sql
from revetl.encode.render import encode
from revetl.encode.same import empty, same

__all__ = [
    "DIGEST",
    "Encoding",
    "Part",
    "Unencodable",
    "clear_sql",
    "constant_json",
    "digest",
    "empty",
    "encode",
    "object_sql",
    "refusing",
    "same",
]
