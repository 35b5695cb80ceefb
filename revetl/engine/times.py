"""Times as people type and read them: ``2026-11-20 12:00``, ``yesterday 12:00``, ISO 8601 with an offset."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from revetl.errors import UsageError

_DAY = re.compile(r"(today|yesterday)(?:\s+(?:at\s+)?(\d{1,2}:\d{2}(?::\d{2})?))?\Z", re.IGNORECASE)
_AGO = re.compile(r"(\d{1,6})\s*(m|h|d)(?:\s+ago)?\Z", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the moment in UTC that ``text`` names.

    What has no offset is in ``zone`` (None: the zone of this machine). A day alone means its first moment, ``now``
    itself may be written too, and ``36h`` is that long ago.

    Raises:
        UsageError: RVT-851, it is no time.
    """
    text = text.strip()
    if text.lower() == "now":
        return now.astimezone(UTC)
    try:
        return (_ago(text, now) or _of_day(text, now, zone) or _written(text, zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            "RVT-851",
            f"'{text[:60]}' is not a time",
            hint='write "2026-11-20 12:00", "yesterday 12:00", 36h, or a time with an offset: 2026-11-20T12:00+01:00',
        ) from None


def _ago(text: str, now: datetime) -> datetime | None:
    found = _AGO.match(text)
    return now - timedelta(**{_UNITS[found[2].lower()]: int(found[1])}) if found else None


def _of_day(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    found = _DAY.match(text)
    if found is None:
        return None
    day = now.astimezone(zone).date() - timedelta(days=found[1].lower() == "yesterday")
    hour = time.fromisoformat((found[2] or "00:00").zfill(5) if len(found[2] or "") < 6 else found[2].zfill(8))
    return _placed(datetime.combine(day, hour), zone)


def _written(text: str, zone: tzinfo | None) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else _placed(found, zone)


def _placed(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.replace(tzinfo=zone) if zone is not None else naive.astimezone()


def moment(at: datetime | None, *, local: bool = False) -> str:
    """Return a time to the second as people read it: in UTC with ``Z``, or in this machine's zone with its offset."""
    if at is None:
        return "never"
    if local:
        return at.astimezone().isoformat(sep=" ", timespec="seconds")
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
