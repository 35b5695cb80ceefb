"""`policies:` of revetl.yml is read strictly: a rule that cannot be read would deny nothing."""

from __future__ import annotations

import pytest

from revetl.config import load_config
from revetl.config.policies import PoliciesSpec, Rule


def load(policies: str) -> tuple[PoliciesSpec, list[tuple[str, str, str]]]:
    """Return the policies, and what is wrong as (code, file, remedy)."""
    found = load_config(f"version: 1\ndestinations: {{}}\npolicies:\n  {policies}\n", path="revetl.yml")
    return found.policies, [(one.code, one.file or "", one.remedy) for one in found.problems]


def test_everything_that_may_be_asked() -> None:
    """Rules with either arrow, one or several; what alone is allowed; what models must be."""
    text = (
        'deny: [pii → ads, "pii:email -> mail", "tag:secret->crm.customer"]\n  only: {"group:hr": [], pii: crm}\n'
        "  access: public\n  max_new_fields: 0\n  require_owner: true"
    )
    found, wrong = load(text)
    assert wrong == []
    assert [str(rule) for rule in found.deny] == ["pii → ads", "pii:email → mail", "tag:secret → crm.customer"]
    assert found.only == {"group:hr": (), "pii": ("crm",)}
    assert (found.access, found.max_new_fields, found.require_owner) == (("public",), 0, True)
    assert load("deny: pii → ads")[0].deny == (Rule("pii", "ads"),)


def test_nothing_is_asked_by_default() -> None:
    """Without the key no policy holds."""
    assert load_config("version: 1\ndestinations: {}\n", path="revetl.yml").policies == PoliciesSpec()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("deny: [pii]", "RVT-103"),
        ("deny: [pii → ads → mail]", "RVT-103"),
        ("deny: [→ ads]", "RVT-103"),
        ("deny: [personal → ads]", "RVT-103"),
        ("deny: ['tag: → ads']", "RVT-103"),
        ("deny: [{pii: ads}]", "RVT-103"),
        ("deny: {pii: ads}", "RVT-103"),
        ("only: {email: crm}", "RVT-103"),
        ("only: {pii: {crm: x}}", "RVT-103"),
        ("max_new_fields: -1", "RVT-103"),
        ("access: everybody", "RVT-103"),
        ("require_owner: maybe", "RVT-103"),
        ("require_owners: true", "RVT-120"),
    ],
)
def test_what_cannot_be_read_stops_everything(text: str, code: str) -> None:
    """Each slip is one error of the whole project, at its line, so that no sync runs without the policy."""
    found = load_config(f"version: 1\ndestinations: {{}}\npolicies:\n  {text}\n", path="revetl.yml")
    assert [problem.code for problem in found.problems] == [code]
    assert found.problems[0].file == "revetl.yml:4"
    assert found.fatal
