"""Every mistake that meta and revetl.yml can make together, and the one complaint that each deserves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planfactory import (
    EMAIL,
    ID,
    YML,
    cohort,
    column,
    customers,
    model,
    properties,
    resolve,
    syncs_yml,
    vip,
)

from revetl.mapping import Resolved
from revetl.types import Hash, Node

Make = Callable[[], Resolved]
Case = tuple[Make, str, str | None, str | None, str, str]


def meta_case(*nodes: Node, yml: str = YML, **more: Any) -> Make:
    """Return a function that builds these nodes."""
    return lambda: resolve(*nodes, yml=yml, **more)


COMPANY = """
version: 1
destinations:
  crm:
    targets: {prod: sandbox}
    syncs:
      customer: {entity: customer, allow_pii: [email]}
      company: {entity: company, object: company, mode: update}
"""
EMPLOYER = column("company_id", {"link": "company", "to": {"crm": "EMPLOYER"}})
FIRM = model(
    "firms",
    {"kind": "properties", "entity": "company", "key": "id"},
    column("id"),
    column("domain", {"to": {"crm": "domain"}}),
    column("title", {"to": {"crm": "name"}}),
)
FIRM_NO_TITLE = model(
    "firms",
    {"kind": "properties", "entity": "company", "key": "id"},
    column("id"),
    column("domain", {"to": {"crm": "domain"}}),
)
CRM_ONLY_COMPANY = COMPANY.replace("      customer: {entity: customer, allow_pii: [email]}\n", "")
GROUPS = syncs_yml("", more="groups: {a: [crm], b: [crm]}\n")
HOOK = """
version: 1
destinations:
  hook: {targets: {prod: sandbox}, syncs: {people: {entity: customer}}}
"""
HOOKED = model("customers", properties(), column("customer_id", {"to": {"hook": "id"}}))

# id → (how to build it, code, model, column, a piece of the message, the remedy)
MODELS: dict[str, Case] = {
    "unknown key of a model": (
        meta_case(customers(entitty="x")),
        "RVT-301", "customers", None, "unknown key 'entitty'", "did you mean 'entity'?",
    ),
    "unknown key of a column": (
        meta_case(customers(column("a", {"too": {"crm": "A"}}))),
        "RVT-301", "customers", "a", "unknown key 'too'", "did you mean 'to'?",
    ),
    "unknown key of a field": (
        meta_case(customers(column("a", {"to": {"crm": {"feild": "A"}}}))),
        "RVT-301", "customers", "a", "unknown key 'feild' in 'to.crm'", "did you mean 'field'?",
    ),
    "unknown null policy": (
        meta_case(customers(column("a", {"to": {"crm": {"on_null": "cleer"}}}))),
        "RVT-300", "customers", "a", "'to.crm.on_null': should be 'keep' or 'clear'", "did you mean 'clear'?",
    ),
    "unknown guard": (
        meta_case(customers(), vip(guards={"max_leav": 3})),
        "RVT-301", "vip", None, "unknown key 'max_leav' in 'guards'", "did you mean 'max_leave'?",
    ),
    "meta is no mapping": (
        meta_case(customers(), model("x", "cohort")),
        "RVT-300", "x", None, "should be a", "",
    ),
    "cohort without key": (
        meta_case(customers(), model("vip", {"kind": "cohort", "entity": "customer", "to": "crm"}, ID)),
        "RVT-300", "vip", None, "'key' is missing", "add `key: …`",
    ),
    "joined model without key": (
        meta_case(customers(base=True), model("spend", {"kind": "properties", "entity": "customer"}, ID)),
        "RVT-300", "spend", None, "'key' is missing", "add `key: …`",
    ),
    "key column twice": (
        meta_case(customers(), vip(key=["a", "a"])),
        "RVT-300", "vip", None, "'key': a key column stands twice", "name each column once",
    ),
    "to on properties": (
        meta_case(customers(to=["crm"])),
        "RVT-300", "customers", None, "'to' stands on a properties model", "each column says for itself where it goes",
    ),
    "base on a cohort": (
        meta_case(customers(), vip(base=True)),
        "RVT-300", "vip", None, "'base' stands on a cohort", "set it on a properties model",
    ),
    "same entity twice": (
        meta_case(customers(), model("vip", [cohort("crm"), cohort("crm")], ID)),
        "RVT-300", "vip", None, "serves entity 'customer' twice", "one item per entity in `revetl:`",
    ),
    "unknown destination": (
        meta_case(customers(column("a", {"to": {"crmm": "A"}}))),
        "RVT-302", "customers", "a", "'crmm', which is no destination, sync or group", "did you mean 'crm'?",
    ),
    "unknown sync": (
        meta_case(customers(column("a", {"to": {"crm.custmer": "A"}}))),
        "RVT-302", "customers", "a", "'crm.custmer'", "did you mean 'crm.customer'?",
    ),
    "cohort names an unknown group": (
        meta_case(customers(), vip("everywhere", "crm")),
        "RVT-302", "vip", None, "'everywhere'", "choose one of: crm, crm.customer",
    ),
    "column not in a contract": (
        meta_case(
            model("customers", properties(columns={"ltvv": {"to": "crm"}}), ID, EMAIL, column("ltv"), contract=True)
        ),
        "RVT-303", "customers", "ltvv", "column 'ltvv' is not in model 'customers'", "did you mean 'ltv'?",
    ),
    "column not in the catalog": (
        meta_case(customers(), catalog={"model.shop.customers": ["CUSTOMER_ID", "e_mail"]}),
        "RVT-303", "customers", "email", "column 'email' is not in model 'customers'", "did you mean 'e_mail'?",
    ),
    "joined model lacks the key column": (
        meta_case(
            customers(base=True), model("spend", properties(), column("id"), column("x", {"to": "crm"}), contract=True)
        ),
        "RVT-303", "spend", "customer_id", "key column 'customer_id' is not in model 'spend'",
        "choose one of: id, x",
    ),
    "updated_at not in a contract": (
        meta_case(model("customers", properties(updated_at="changed"), ID, EMAIL, contract=True)),
        "RVT-303", "customers", "changed", "updated_at column 'changed'", "choose one of: customer_id, email",
    ),
    "two columns onto one field": (
        meta_case(customers(column("other", {"to": {"crm": "email_address"}}))),
        "RVT-304", "customers", "other",
        "'email' of 'customers' and 'other' of 'customers' both go into crm.customer.email_address",
        "give one of them another field",
    ),
    "match and to name different columns": (
        meta_case(customers(column("mail2", {"to": {"crm": "X"}})), yml=syncs_yml("match: {email_address: mail2}")),
        "RVT-304", "customers", "email", "matches email_address by 'mail2'", "let match and `to` name the same column",
    ),
    "no match": (
        meta_case(model("customers", properties(), ID, column("a", {"to": {"crm": "A"}}))),
        "RVT-305", "customers", None, "no column goes into email_address or external_id",
        "map a column to crm.customer.email_address, or write `match: {email_address: …}` in revetl.yml",
    ),
    "match field unknown there": (
        meta_case(customers(), yml=syncs_yml("match: {mail: email}")),
        "RVT-305", None, None, "matches by 'mail'; Crm knows email_address, external_id",
        "match: {email_address: email}",
    ),
    "match property does not name the destination": (
        meta_case(customers(), yml=syncs_yml("match: {external_id: customer_id}")),
        "RVT-306", "customers", "customer_id", "does not itself name crm",
        "write `to: {crm: external_id}` beside column 'customer_id'",
    ),
    "pii not allowed": (
        meta_case(customers(column("tel", {"pii": "phone", "to": {"crm": "TEL"}}))),
        "RVT-307", "customers", "tel", "column 'tel' is personal (phone) and crm.customer does not allow it",
        "write `allow_pii: [phone]` in sync crm.customer, or remove the column's `to`",
    ),
    "pii of no kind": (
        meta_case(customers(column("note", {"pii": True, "to": {"crm": "N"}}))),
        "RVT-307", "customers", "note", "is personal (pii)",
        "write `allow_pii: [note]` in sync crm.customer, or remove the column's `to`",
    ),
    "ephemeral": (
        meta_case(customers(), model("v", cohort("crm"), ID, materialized="ephemeral", relation=None)),
        "RVT-308", "v", None, "model 'v' is ephemeral",
        "materialize it as a view or table: an ephemeral model does not exist in the warehouse",
    ),
    "disabled": (
        meta_case(customers(), disabled=(vip(),)),
        "RVT-308", "vip", None, "model 'vip' is disabled", "enable it, or remove its `revetl:` meta",
    ),
    "column of another entity": (
        meta_case(customers(column("x", {"to": {"crm.company": "X"}})), FIRM, yml=COMPANY),
        "RVT-309", "customers", "x", "names sync 'crm.company' of another entity", "name a sync of entity 'customer'",
    ),
    "cohort of another entity": (
        meta_case(customers(), FIRM, vip("crm.company"), yml=COMPANY),
        "RVT-309", "vip", None, "cohort of entity 'customer' names sync 'crm.company' of another entity",
        "name a sync of entity 'customer'",
    ),
    "no base": (
        meta_case(customers(), model("spend", properties(), ID)),
        "RVT-310", "customers", None, "several properties models and no base: customers, spend",
        "write `base: true` on the one that says who exists",
    ),
    "two bases": (
        meta_case(customers(base=True), model("spend", properties(base=True), ID)),
        "RVT-310", "customers", None, "several base models: customers, spend", "keep `base: true` on one of them",
    ),
    "key arity": (
        meta_case(customers(), vip(key=["customer_id", "region"])),
        "RVT-311", "vip", None, "has 2 key column(s) where the entity has 1 (customer_id)",
        "write `key: {customer_id: …}` with this model's columns",
    ),
    "key names": (
        meta_case(customers(), vip(key={"cust": "id"})),
        "RVT-311", "vip", None, "names cust where the entity's key is customer_id",
        "write `key: {customer_id: …}` with this model's columns",
    ),
    "key order": (
        meta_case(
            model("customers", properties(key=["a", "b"]), column("a"), column("b"), EMAIL),
            model("vip", cohort("crm", key=["b", "c"]), column("b"), column("c")),
        ),
        "RVT-311", "vip", None, "has 'b' in another place than the entity's key (a, b)",
        "write `key: {a: …, b: …}` with this model's columns",
    ),
    "column meta in two places": (
        meta_case(customers(columns={"email": {"to": {"crm": "X"}}})),
        "RVT-312", "customers", "email", "column 'email' has meta in two places",
        "keep the column's own, or the model's `columns:`",
    ),
    "column without model meta": (
        meta_case(customers(), model("x", None, column("a", {"to": {"crm": "A"}}))),
        "RVT-313", "x", "a", "names crm, but its model has no `revetl:` of its own",
        (
            "add {kind: properties, entity: …, key: …} to the model's meta; a `revetl:` in the SQL's config() "
            "replaces the YAML's as a whole"
        ),
    ),
    "destination without a sync of the entity": (
        meta_case(FIRM, model("tags", properties(), ID, column("x", {"to": {"crm": "X"}})), yml=CRM_ONLY_COMPANY),
        "RVT-314", "tags", "x", "column 'x' of entity 'customer' names 'crm', which has no sync of it",
        "add a sync with `entity: customer` to it, or remove it from `to`",
    ),
    "two groups disagree": (
        meta_case(customers(column("x", {"to": {"a": "X", "b": "Y"}})), yml=GROUPS),
        "RVT-315", "customers", "x", "two groups say different things of column 'x' for crm.customer",
        "name crm itself in `to`",
    ),
    "unknown object": (
        meta_case(customers(), yml=syncs_yml("object: contct")),
        "RVT-320", None, None, "Crm has no object 'contct'", "did you mean 'contact'?",
    ),
    "unknown cohort style": (
        meta_case(customers(), vip(), yml=syncs_yml("cohorts: tagg")),
        "RVT-321", None, None, "'contact' of Crm has no cohorts as 'tagg'", "did you mean 'tag'?",
    ),
    "object without cohorts": (
        meta_case(HOOKED, vip("hook"), yml=HOOK),
        "RVT-321", None, None, "'row' of Hook has no cohorts, but vip name it", "remove hook from their `to`",
    ),
    "leave policy unsupported": (
        meta_case(customers(), yml=syncs_yml("on_leave: clear")),
        "RVT-322", None, None, "'contact' of Crm cannot clear records that leave", "write archive or delete or keep",
    ),
    "dropping what cannot be cleared": (
        meta_case(customers(), yml=syncs_yml("on_leave: drop")),
        "RVT-322", None, None, "'contact' of Crm cannot drop records that leave", "write archive or delete or keep",
    ),
    "delete without allow_delete": (
        meta_case(customers(), yml=syncs_yml("on_leave: delete")),
        "RVT-323", None, None, "crm.customer would delete records", "write `allow_delete: true` beside it",
    ),
    "mode unsupported": (
        meta_case(customers(), FIRM, yml=COMPANY.replace("mode: update", "mode: insert")),
        "RVT-324", None, None, "'company' of Crm cannot insert", "write update",
    ),
    "required field unmapped": (
        meta_case(customers(), FIRM_NO_TITLE, yml=COMPANY),
        "RVT-325", None, None, "'company' of Crm requires name, which nothing fills in crm.company",
        "map a column to name, or write `constants: {name: …}`",
    ),
    "label too long": (
        meta_case(customers(), vip(label="x" * 21)),
        "RVT-326", "vip", None, "has 21 characters; a tag of Crm takes 20", "write a `label` of at most 20 characters",
    ),
    "two cohorts with one label": (
        meta_case(customers(), vip(label="VIP"), vip(name="zzz", label="vip ")),
        "RVT-326", "zzz", None, "'vip' and 'zzz' are both called 'vip '", "give one of them another label",
    ),
    "constant onto a mapped field": (
        meta_case(customers(column("x", {"to": {"crm": "X"}})), yml=syncs_yml("constants: {X: 1}")),
        "RVT-327", None, None, "constant 'X' of crm.customer goes into a field that column 'x' fills",
        "remove one of them",
    ),
    "audience names no cohort": (
        meta_case(customers(), vip(), yml=syncs_yml("audience: [vipp]")),
        "RVT-328", None, None, "audience of crm.customer names 'vipp', no model with `revetl:` meta",
        "did you mean 'vip'?",
    ),
    "exclude names a cohort of another entity": (
        meta_case(
            customers(),
            FIRM,
            model("big", {"kind": "cohort", "entity": "company", "key": "id"}, column("id")),
            yml=COMPANY.replace("[email]}", "[email], exclude: [big]}"),
        ),
        "RVT-328", None, None, "exclude of crm.customer names 'big', a cohort model of entity 'company'",
        "write `revetl: {kind: cohort, entity: customer, key: …}` on it",
    ),
    "entity without model": (
        meta_case(customers(), yml=COMPANY),
        "RVT-329", None, None, "no properties model describes entity 'company' of crm.company",
        "choose one of: customer",
    ),
    "unknown type": (
        meta_case(customers(), yml=YML.replace("    targets", "    type: crn\n    targets")),
        "RVT-124", None, None, "has the type 'crn', which is not installed", "did you mean 'crm'?",
    ),
    "unknown setting": (
        meta_case(customers(), yml=YML.replace("{api_key", "{list: 1, api_key")),
        "RVT-106", None, None, "crm, target prod has the setting 'list', which Crm does not know",
        "did you mean 'list_id'?",
    ),
    "missing setting": (
        meta_case(customers(), yml=YML.replace("api_key: \"{{ env_var('CRM_KEY') }}\"", "list_id: x")),
        "RVT-106", None, None, "crm, target prod lacks the setting 'api_key'", "add `api_key: …`",
    ),
    "membership field that the style does not carry": (
        meta_case(customers(), model("vip", cohort("crm"), ID, column("since", {"to": {"crm": "since"}}))),
        "RVT-333", "vip", "since", "a tag of Crm carries no 'since' (column 'since')", "choose one of: Status",
    ),
    "membership field written once": (
        meta_case(customers(), model("vip", cohort("crm"), ID,
                                     column("s", {"to": {"crm": {"field": "Status", "write": "create"}}}))),
        "RVT-333", "vip", "s", "'Status' of a membership is always written", "remove `write`",
    ),
    "two membership fields into one": (
        meta_case(customers(), model("vip", cohort("crm"), ID, column("s", {"to": {"crm": "Status"}}),
                                     column("t", {"to": {"crm": "Status"}}))),
        "RVT-304", "vip", "t", "columns 's' and 't' of 'vip' both go into Status", "remove one",
    ),
    "personal membership field": (
        meta_case(customers(), model("vip", cohort("crm"), ID, column("s", {"pii": "rank", "to": {"crm": "Status"}}))),
        "RVT-307", "vip", "s", "column 's' is personal (rank)",
        "write `allow_pii: [rank]` in sync crm.customer, or remove the column's `to`",
    ),
    "membership field of a cohort that does not go there": (
        meta_case(customers(), model("vip", {**cohort(), "to": {}}, ID, column("s", {"to": {"crm": "Status"}}))),
        "RVT-333", "vip", "s", "column 's' of cohort 'vip' names crm.customer, which the cohort does not",
        "add crm to the cohort's own `to`, or remove the column's",
    ),
    "link on a cohort": (
        meta_case(customers(), model("vip", cohort("crm"), ID, column("s", {"link": "customer"}))),
        "RVT-332", "vip", None, "'link' stands on column 's' of a cohort", "set it on a properties model",
    ),
    "link to an entity that is not described": (
        meta_case(customers(EMPLOYER)),
        "RVT-329", "customers", "company_id", "names entity 'company', which no properties model describes",
        "choose one of: customer",
    ),
    "link that the object does not know": (
        meta_case(customers(EMPLOYER._replace(meta={"revetl": {"link": "company", "to": {"crm": "EMPLOYEE"}}})), FIRM,
                  yml=COMPANY),
        "RVT-330", "customers", "company_id", "'contact' of Crm has no link 'EMPLOYEE' (column 'company_id')",
        "did you mean 'EMPLOYER'?",
    ),
    "link without a target": (
        meta_case(customers(EMPLOYER), model("firms", FIRM.meta["revetl"], column("id"))),
        "RVT-331", "customers", "company_id", "entity 'company', which no sync of crm carries into its company",
        "add a sync `{entity: company, object: company}` to crm",
    ),
    "link with two targets": (
        meta_case(customers(EMPLOYER), FIRM, yml=COMPANY.replace("      company:", "      more: {entity: company, "
                  "object: company, mode: update}\n      company:")),
        "RVT-331", "customers", "company_id", "several syncs carry there: crm.more, crm.company",
        "write `link: {entity: company, sync: crm.more}`",
    ),
    "link to a sync of another entity": (
        meta_case(customers(column("company_id", {"link": {"entity": "company", "sync": "customer"},
                                                  "to": {"crm": "EMPLOYER"}})), FIRM, yml=COMPANY),
        "RVT-331", "customers", "company_id", "names sync 'customer', which does not carry entity 'company' into crm's",
        "did you mean 'crm.company'?",
    ),
    "link by half a key": (
        meta_case(customers(EMPLOYER), model("firms", {**FIRM.meta["revetl"], "key": ["id", "domain"]},
                                             *FIRM.columns.values()), yml=COMPANY),
        "RVT-332", "customers", "company_id", "the key of entity 'company' is id, domain; `link` names company_id",
        "write `link: {entity: company, key: [one column for each of them, in that order]}`",
    ),
    "link written once": (
        meta_case(customers(EMPLOYER._replace(meta={"revetl": {
            "link": "company", "to": {"crm": {"field": "EMPLOYER", "write": "create"}}}})), FIRM, yml=COMPANY),
        "RVT-332", "customers", "company_id", "a link is always written", "remove `write`",
    ),
    "personal link": (
        meta_case(customers(EMPLOYER._replace(meta={"revetl": {
            "pii": "firm", "link": "company", "to": {"crm": "EMPLOYER"}}})), FIRM, yml=COMPANY),
        "RVT-307", "customers", "company_id", "column 'company_id' is personal (firm)",
        "write `allow_pii: [firm]` in sync crm.customer, or remove the column's `to`",
    ),
    "two links into one": (
        meta_case(customers(EMPLOYER, EMPLOYER._replace(name="firm_id")), FIRM, yml=COMPANY),
        "RVT-304", "customers", "firm_id", "two columns both go into crm.customer.EMPLOYER",
        "give one of them another link",
    ),
    "consent of an object that has none": (
        meta_case(customers(), FIRM, yml=COMPANY.replace("update}", "update, consent: {column: domain}}")),
        "RVT-334", None, None, "'company' of Crm has no consent that could be withdrawn", "remove `consent`",
    ),
    "consent withdrawn in an unknown way": (
        meta_case(customers(column("ok")), yml=syncs_yml("consent: {column: ok, on_false: unsubscrib}")),
        "RVT-334", None, None, "'contact' of Crm cannot 'unsubscrib' people", "did you mean 'unsubscribe'?",
    ),
    "new records in an unknown way": (
        meta_case(customers(column("ok")), yml=syncs_yml("consent: {column: ok, new_as: pendng}")),
        "RVT-334", None, None, "'contact' of Crm makes no records as 'pendng'", "did you mean 'pending'?",
    ),
    "consent by a column that is not there": (
        meta_case(customers(column("okay")), yml=syncs_yml("consent: {column: okey}")),
        "RVT-334", None, None, "column 'okey' of `consent` is in no properties model of 'customer'",
        "did you mean 'okay'?",
    ),
    "write if_empty": (
        meta_case(customers(column("x", {"to": {"crm": {"write": "if_empty"}}}))),
        "RVT-335", "customers", "x", "'contact' of Crm does not tell what is empty", "write always or create",
    ),
    "a hash of a kind that has no rule": (
        meta_case(customers(column("x", {"pii": "email", "to": {"crm": {"field": "y", "hash": "sha256"}}}),
                            column("z", {"pii": "iban", "to": {"crm": {"hash": "sha256"}}})),
                  yml=YML.replace("[email]", "[email, iban]")),
        "RVT-336", "customers", "z", "`hash: sha256` of column 'z' has no rule for `pii: iban`",
        f"say what it is: {{pii: …}}, one of {', '.join(Hash.SHA256.kinds)}; or write `hash: sha256_plain`",
    ),
    "a hash of nobody knows what": (
        meta_case(customers(column("x", {"to": {"crm": {"hash": "sha256_meta"}}}))),
        "RVT-336", "customers", "x", "has no rule for a column without a kind",
        f"say what it is: {{pii: …}}, one of {', '.join(Hash.META.kinds)}; or write `hash: sha256_plain`",
    ),
    "a hash of a link": (
        meta_case(
            customers(column("firm", {"link": "company", "to": {"crm": {"field": "EMPLOYER", "hash": "sha256"}}})),
            FIRM, yml=COMPANY,
        ),
        "RVT-336", "customers", "firm", "is a link in crm.customer", "remove `hash`",
    ),
    "snapshot with its own mark of current rows": (
        meta_case(
            model("customers", properties(), ID, EMAIL, resource_type="snapshot",
                  config={"dbt_valid_to_current": "to_date('9999-12-31')"})
        ),
        "RVT-390", "customers", None, "dbt_valid_to_current", "put a model that selects the current rows over it",
    ),
}  # fmt: skip
