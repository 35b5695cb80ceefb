"""Receipts of erasures: JSON, signed with the ledger's key, without a word of the person that could be read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from revetl.engine.keyring import Keyring, key_id
from revetl.errors import UsageError
from revetl.state.files import private_directory, replace_file
from revetl.types import JSON

DIRECTORY = "receipts"


def _digest(key: bytes, whole: Mapping[str, JSON]) -> str:
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(key, b"revetl: receipt\n" + text.encode(), hashlib.sha256).hexdigest()


def signed(told: Mapping[str, JSON], key: bytes) -> dict[str, JSON]:
    """Return a receipt with its signature."""
    whole = {name: value for name, value in told.items() if name != "signature"}
    value = _digest(key, whole)
    return {**whole, "signature": {"algorithm": "HMAC-SHA256", "key_id": key_id(key), "value": value}}


def write_receipt(state_dir: Path, receipt: Mapping[str, JSON]) -> Path:
    """Write a receipt beside the state, for its owner alone; return where."""
    path = private_directory(state_dir / DIRECTORY) / f"{receipt['id']}.json"
    replace_file(path, json.dumps(receipt, indent=2, ensure_ascii=False).encode())
    return path


def check_receipt(path: Path, ring: Keyring) -> Mapping[str, JSON]:
    """Return a receipt that is as it was signed.

    Raises:
        UsageError: RVT-539, it cannot be read, was changed, or was signed with a key that is not here.
    """
    try:
        told = json.loads(path.read_bytes())
        signature = told["signature"]
        key = ring.find(str(signature["key_id"]))
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError("RVT-539", f"{path} is no receipt that can be read", hint="name a file of receipts/") from None
    if key is None:
        raise UsageError(
            "RVT-539", f"{path} was signed with a key that is not here", hint="ledger.old_keys may name it"
        )
    whole = {name: value for name, value in told.items() if name != "signature"}
    if not hmac.compare_digest(str(signature.get("value")), _digest(key, whole)):
        raise UsageError(
            "RVT-539", f"{path} was changed after it was signed", hint="ask for the file as it was written"
        )
    found: Mapping[str, JSON] = told
    return found
