"""A target's settings against the destination's settings model, without any value being resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from revetl.config import Config
from revetl.config.schema import did_you_mean
from revetl.config.secrets import variables
from revetl.mapping.complaints import Complaints
from revetl.mapping.drafts import Draft


def check_settings(config: Config, target: str, draft: Draft, syncs: tuple[str, ...], say: Complaints) -> None:
    """Say which settings of a draft's destination are unknown or missing, which stops all its ``syncs``.

    Secrets that stand in the file itself are warned of. A sandbox needs no settings.
    """
    connection, kind = draft.connection, draft.type
    if connection.sandbox:
        return
    file = config.where("destinations", draft.destination, "targets", target)
    place = f"{draft.destination}, target {target}"
    known = _names(kind.settings)
    for name in connection.settings:
        if name not in known and kind.settings.model_config.get("extra") != "allow":
            what = f"{place} has the setting '{name[:60]}', which {kind.title} does not know"
            say.error("RVT-106", what, did_you_mean(name, known), syncs=syncs, file=file)
    given = {known[name][0] for name in connection.settings if name in known}
    for name, (real, info) in known.items():
        if info.is_required() and real not in given:
            given.add(real)
            say.error("RVT-106", f"{place} lacks the setting '{name}'", f"add `{name}: …`", syncs=syncs, file=file)
    _in_clear(connection.settings, known, place, file, say)


def _names(model: type[BaseModel]) -> dict[str, tuple[str, FieldInfo]]:
    """Return every name that a setting may be written by, with its field's own name."""
    found = {info.alias or name: (name, info) for name, info in model.model_fields.items()}
    if model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name"):
        found |= {name: (name, info) for name, info in model.model_fields.items()}
    return found


def _in_clear(
    settings: Mapping[str, Any], known: Mapping[str, tuple[str, FieldInfo]], place: str, file: str, say: Complaints
) -> None:
    for name, value in settings.items():
        if name not in known or value is None or (isinstance(value, str) and variables(value)):
            continue
        annotation = known[name][1].annotation
        if SecretStr in (annotation, *get_args(annotation)):
            what = f"{place} holds the secret '{name}' itself"
            remedy = f"write \"{{{{ env_var('{name.upper()}') }}}}\", and change the secret if the file was shared"
            say.warning("RVT-121", what, remedy, file=file)
