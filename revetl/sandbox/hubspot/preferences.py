"""Communication preferences: opted out of all e-mail, by address (``/communication-preferences/v4``).

Source: developers.hubspot.com, "Subscriptions v4": 1 to 100 addresses a call, the channel is said in the query; an
address need not be a contact's. Nothing here ever subscribes anybody.
"""

from __future__ import annotations

import re

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot.batch import MOST_INPUTS
from revetl.sandbox.hubspot.errors import invalid, row_error
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

SHOWN = "hs_email_optout"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def unsubscribe_all(box: Sandbox, request: Request) -> Answer:
    """POST statuses/batch/unsubscribe-all: 200, or 207 where an address is none."""
    if request.params.get("channel") != "EMAIL":
        raise invalid("Invalid query: channel must be EMAIL")
    body = request.json()
    given = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given) or not given:
        raise invalid("Invalid input JSON: inputs is an array of addresses")
    if len(given) > MOST_INPUTS:
        raise invalid(f"The maximum number of inputs is {MOST_INPUTS}")
    results: list[JSON] = []
    errors: list[JSON] = []
    for address in given:
        if not _ADDRESS.fullmatch(address):
            errors.append(row_error("VALIDATION_ERROR", f"{address} is no address", {"subscriberIdString": [address]}))
            continue
        box.store.setdefault("opted_out", {})[address.lower()] = True
        contacts = box.store["objects"]["contacts"]
        contact = contacts["records"].get(contacts["index"]["email"].get(address.lower()))
        if contact is not None:
            contact["properties"][SHOWN] = "true"
        status = {"channel": "EMAIL", "subscriberIdString": address, "status": "UNSUBSCRIBED", "subscriptionId": 1}
        results.append({"subscriberIdString": address, "statuses": [status]})
    payload: dict[str, JSON] = {"status": "COMPLETE", "results": results}
    if not errors:
        return answer(200, payload)
    return answer(207, {**payload, "numErrors": len(errors), "errors": errors})
