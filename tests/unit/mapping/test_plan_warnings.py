"""What is only doubtful is a warning, and personal data leaves only where it is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from planfactory import EMAIL, ID, YML, column, customers, model, only, properties, resolve, syncs_yml

from revetl.types import Node, Problem, Severity


def warned(*nodes: Node, **more: Any) -> list[Problem]:
    """Return the warnings of a project without errors."""
    resolved = resolve(*nodes, **more)
    assert resolved.errors == ()
    assert resolved.syncs
    return [problem for problem in resolved.problems if problem.severity is Severity.WARNING]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("contact_email", "email"),
        ("EmailAddress", "email"),
        ("phone_number", "phone"),
        ("first_name", "name"),
        ("ssn", "national_id"),
        ("date_of_birth", "birth"),
        ("ip_address", "ip"),
        ("home_address", "address"),
        ("iban", "payment"),
    ],
)
def test_columns_that_look_personal(name: str, kind: str) -> None:
    """A column that leaves and looks personal by its name, without a tag, is a warning that says the tag."""
    (problem,) = warned(customers(column(name, {"to": {"crm": "X"}})))
    assert (problem.code, problem.model, problem.column) == ("RVT-341", "customers", name)
    assert problem.remedy == f"tag it: {{pii: {kind}}}"


@pytest.mark.parametrize("name", ["lifetime_value", "shipping_method", "rate", "zip_count", "script", "recipient"])
def test_columns_that_do_not_look_personal(name: str) -> None:
    """Ordinary names are left in peace."""
    assert warned(customers(column(name, {"to": {"crm": "X"}}))) == []


def test_dbts_own_tags_count() -> None:
    """A dbt tag or meta that says pii is a warning as well; a column that does not leave is none."""
    tagged = column("a", {"to": {"crm": "A"}}, tags=("PII",))
    by_meta = column("b", {"to": {"crm": "B"}}, contains_pii=True)
    assert [(p.code, p.column) for p in warned(customers(tagged, by_meta, column("c", tags=("pii",))))] == [
        ("RVT-341", "a"),
        ("RVT-341", "b"),
    ]


def test_personal_key_is_warned_of() -> None:
    """A key that looks personal stands in the ledger."""
    node = model("customers", properties(key="user_email"), column("user_email"), EMAIL)
    assert [(p.code, p.column) for p in warned(node)] == [("RVT-341", "user_email")]


def test_key_not_in_yaml_is_a_warning() -> None:
    """Without contract or catalog a key that YAML does not describe is only a warning."""
    (problem,) = warned(model("customers", properties(), EMAIL))
    assert (problem.code, problem.column) == ("RVT-342", "customer_id")
    assert problem.remedy == "describe 'customer_id' under the model's columns"


def test_secret_in_clear_is_a_warning_without_the_secret() -> None:
    """A secret that stands in revetl.yml itself is warned of, and not repeated."""
    yml = YML.replace("\"{{ env_var('CRM_KEY') }}\"", "hunter2hunter2")
    (problem,) = warned(customers(), yml=yml)
    assert problem.code == "RVT-121"
    assert "hunter2" not in repr(problem)
    assert "{{ env_var('API_KEY') }}" in problem.remedy


def test_pii_is_allowed_by_kind_column_or_altogether() -> None:
    """`allow_pii` may name the kind, the column, or be true; only true or the name fits a tag without kind."""
    note = column("note", {"pii": True, "to": {"crm": "N"}})
    for allowed, good in (("true", True), ("[email, note]", True), ("[email, 'true']", True), ("[email]", False)):
        yml = YML.replace("allow_pii: [email]", f"allow_pii: {allowed}")
        assert bool(resolve(customers(note), yml=yml).syncs) is good, allowed


def test_disabled_model_replaced_by_an_enabled_one() -> None:
    """A disabled model whose name an enabled one took over is no error."""
    assert warned(customers(), disabled=(model("customers", {"kind": "nonsense"}),)) == []


def test_a_disabled_cohort_in_the_audience_stops_the_sync() -> None:
    """An audience that cannot be read keeps everything back rather than letting everyone through."""
    silent = model("vip", {"kind": "cohort", "entity": "customer", "key": "customer_id"}, ID)
    resolved = resolve(customers(), disabled=(silent,), yml=syncs_yml("audience: [vip]"))
    assert only(resolved, "RVT-308").sync == "crm.customer"
    assert resolved.syncs == ()
