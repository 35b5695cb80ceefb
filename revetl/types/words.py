"""The words for what revetl does and how it ends."""

from __future__ import annotations

from enum import StrEnum

HIDDEN = "•••"  # shown in place of a personal value


class Op(StrEnum):
    """What a change does; the order of members is the order in which the operations of one key run."""

    IDENTITY = "identity"  # the match value of a known record changes: rename it there, leave nothing behind
    UPSERT = "upsert"  # make the record's fields so (the sync's mode says whether it may create or update)
    JOIN = "join"  # make the record a member of a cohort
    PART = "part"  # end a membership that revetl made
    LEAVE = "leave"  # the record left the model: clear, archive or delete it, as the policy says


class Cause(StrEnum):
    """Why a change exists."""

    DATA = "data"  # the model's value differs from what the destination acknowledged
    MAPPING = "mapping"  # only fields that were mapped since then differ: a backfill
    RETRY = "retry"  # an earlier change of this key was rejected or its outcome is unknown


class Status(StrEnum):
    """What became of a change: exactly one of these per change."""

    DELIVERED = "delivered"  # proven applied, by the proof that the action declares
    REJECTED = "rejected"  # the destination (or encode) refused this change by name
    UNKNOWN = "unknown"  # it may or may not have been applied
    WAITING = "waiting"  # provably not applied: not sent, quota, deadline, signal, predecessor failed


class Mode(StrEnum):
    """Which records a sync may write."""

    UPSERT = "upsert"
    UPDATE = "update"
    INSERT = "insert"


class OnNull(StrEnum):
    """What a null does to a field there."""

    KEEP = "keep"
    CLEAR = "clear"  # only where revetl itself delivered a value before


class Write(StrEnum):
    """When a field is written."""

    ALWAYS = "always"
    CREATE = "create"  # only with the record's creation
    IF_EMPTY = "if_empty"  # only while nothing stands there


class Hash(StrEnum):
    """How a value is hashed before it leaves, and by whose rules it is normalised first."""

    SHA256 = "sha256"  # Google's: Customer Match, conversions
    META = "sha256_meta"  # Meta's: Custom Audiences, conversions
    PLAIN = "sha256_plain"  # the text as it stands

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of personal data that there are rules for; none: any text will do."""
        return _HASHED.get(self, ())


_NAMES = ("name", "first_name", "last_name")
_HASHED = {
    Hash.SHA256: ("email", "phone", *_NAMES),
    Hash.META: ("email", "phone", *_NAMES, "city", "state", "zip", "country", "birth", "gender"),
}


class OnLeave(StrEnum):
    """What happens at the destination to a record that left the model."""

    KEEP = "keep"
    CLEAR = "clear"
    ARCHIVE = "archive"
    DELETE = "delete"


class Proof(StrEnum):
    """How strongly *delivered* is proven, strongest first."""

    ROW = "row"  # the reply names the row
    ACCOUNT = "account"  # a complete vendor count or error list in which the row is not named
    ACCEPTED = "accepted"  # a documented acceptance, where the vendor offers nothing better


class Effect(StrEnum):
    """What repeating a call does."""

    READ = "read"
    REPEATABLE = "repeatable"
    ONCE = "once"  # a create without a key: never repeated unless it provably did not arrive


class Severity(StrEnum):
    """How grave a problem is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
