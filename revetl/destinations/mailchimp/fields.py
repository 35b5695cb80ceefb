"""New merge fields (https://mailchimp.com/developer/marketing/api/list-merges/add-merge-field/)."""

from __future__ import annotations

from collections.abc import Generator

from revetl.contract import Context, Http, Reply
from revetl.destinations.mailchimp import api
from revetl.destinations.mailchimp.read import merge_field
from revetl.errors import DestinationError
from revetl.types import JSON, RemoteField

_KINDS = {"date": "date", "integer": "number", "number": "number"}  # all else travels as text
_LABEL = 50  # characters of a merge field's name


def create_field(context: Context, wish: RemoteField) -> Generator[Http, Reply, RemoteField]:
    """Make a merge field of the audience.

    Raises:
        DestinationError: RVT-651, Mailchimp refuses it.
    """
    if wish.name != wish.name.upper():
        what = f"{wish.name} is no merge tag: those are upper case, at most 10 characters"
        raise DestinationError("RVT-651", what, hint=f"map the property to {wish.name.upper()[:10]}")
    body: dict[str, JSON] = {"tag": wish.name, "name": (wish.label or wish.name)[:_LABEL]}
    body["type"] = "dropdown" if wish.options else _KINDS.get(wish.type, "text")
    if wish.options:
        body["options"] = {"choices": list(wish.options)}
    reply = yield api.list_call(context.settings, "POST", "/merge-fields", body)
    if not reply.ok:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"{code}, {reason}", hint="a merge tag is upper case, at most 10 characters")
    made = merge_field(reply.document())
    if made.name != wish.name:
        raise DestinationError("RVT-651", f"Mailchimp named it {made.name}", hint="correct the tag there")
    return made
