"""Exposures are put into YAML that people edit: their bytes stay, ours follow the sync."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from revetl.docs.exposures import Exposure
from revetl.docs.splice import HEAD, Spliced, splice
from revetl.errors import UsageError

ONE = Exposure(
    "crm.customer", "revetl_crm_customer", "Crm: customer", "Each customer.", "shop", "https://crm.example.com",
    ("ref('customers')", "ref('vip')"), {"sync": "crm.customer", "fields": ["email"]},
)  # fmt: skip
TWO = replace(ONE, sync="ads.customer", name="revetl_ads_customer", meta={"sync": "ads.customer"}, url="")


def put(text: str, *new: Exposure, here: tuple[Exposure, ...] = (), gone: tuple[str, ...] = ()) -> Spliced:
    """Return a file with these new exposures, those that are in it brought in step."""
    return splice(text, "x.yml", {e.name: e for e in here}, lambda sync: sync in gone, new)


def read(text: str) -> dict[str, dict[str, object]]:
    """Return the exposures of a file by name, as dbt reads them."""
    return {one["name"]: one for one in yaml.safe_load(text)["exposures"]}


def test_new_file() -> None:
    """An empty file gets a head and what dbt wants of an exposure; to do it again changes nothing."""
    done = put("", ONE, TWO)
    assert done.text.startswith(HEAD)
    assert done.added == ("revetl_crm_customer", "revetl_ads_customer")
    assert read(done.text)["revetl_crm_customer"] == {
        "name": "revetl_crm_customer", "label": "Crm: customer", "type": "application",
        "url": "https://crm.example.com", "description": "Each customer.", "owner": {"name": "shop"},
        "depends_on": ["ref('customers')", "ref('vip')"],
        "config": {"meta": {"revetl": {"sync": "crm.customer", "fields": ["email"]}}},
    }  # fmt: skip
    again = put(done.text, here=(ONE, TWO))
    assert (again.text, again.added, again.changed, again.removed) == (done.text, (), (), ())


EDITED = """# ours since 2024
version: 2
exposures:
- name: board   # not revetl's
  type: dashboard
  owner: {email: board@example.org}
- {name: revetl_crm_customer, type: application, owner: {name: sales}, depends_on: ["ref('old')"], config: {meta: {revetl: {sync: crm.customer}, tier: 1}}} # terse
- name: revetl_ads_customer
  description: >
    What we tell
    the ad people.

  # who pays
  owner: {name: marketing}
  type: application
  depends_on:   # models
  - ref('old')   # gone soon
  config:
    tags: [ads]
    meta:
      cost: high
      revetl:
        sync: ads.customer
        fields: [a, b]
  # the end
# after all

models:
  - name: customers
"""  # noqa: E501 - as people write


def test_their_edits_stay() -> None:
    """Descriptions, owners, tags, comments, order and look stay byte for byte; models and meta follow the sync."""
    done = put(EDITED, here=(ONE, TWO))
    assert done.changed == ("revetl_crm_customer", "revetl_ads_customer")
    before, after = yaml.safe_load(EDITED), yaml.safe_load(done.text)
    for was, one in zip(before["exposures"][1:], (ONE, TWO), strict=True):
        was["depends_on"] = list(one.depends_on)
        was["config"]["meta"]["revetl"] = dict(one.meta)
    assert after == before
    for kept in (
        "# ours since 2024",
        "# not revetl's",
        "# terse",
        "# who pays",
        "# the end\n# after all",
        "    What we",
    ):
        assert kept in done.text
    assert put(done.text, here=(ONE, TWO)).text == done.text


def test_more_exposures_beside_theirs() -> None:
    """A new exposure is put behind the last one, at its indentation; what follows stays."""
    done = put(EDITED, replace(ONE, name="revetl_new"), here=())
    assert list(read(done.text)) == ["board", "revetl_crm_customer", "revetl_ads_customer", "revetl_new"]
    assert yaml.safe_load(done.text)["models"] == [{"name": "customers"}]
    assert "\n- name: revetl_new\n" in done.text


@pytest.mark.parametrize("text", ["version: 2\n", "version: 2\nexposures: []\n", "exposures:\nversion: 2", "# hm"])
def test_files_without_exposures(text: str) -> None:
    """A file without any takes the first ones, and what it says stays."""
    done = put(text, ONE)
    assert list(read(done.text)) == ["revetl_crm_customer"]
    assert yaml.safe_load(done.text).get("version") == (yaml.safe_load(text) or {}).get("version")


def test_a_sync_that_is_gone() -> None:
    """The exposure of a sync that is mapped no more is removed, and nothing else with it."""
    done = put(EDITED, here=(ONE,), gone=("ads.customer",))
    assert done.removed == ("revetl_ads_customer",)
    assert list(read(done.text)) == ["board", "revetl_crm_customer"]
    assert "# after all" in done.text
    last = put(put("", ONE).text, gone=("crm.customer",))
    assert yaml.safe_load(last.text)["exposures"] == []
    assert read(put(last.text, TWO).text).keys() == {"revetl_ads_customer"}


def test_meta_that_people_removed_stays_removed() -> None:
    """Who deletes the meta or the models of an exposure has edited it: they are not put back."""
    text = "exposures:\n  - name: revetl_crm_customer\n    type: application\n    owner: {name: me}\n"
    assert put(text, here=(ONE,)).text == text


@pytest.mark.parametrize(
    "text", ["a: [", "- a", "{version: 2}", "exposures: {a: b}", "exposures: [{name: x}]", "[" * 2000, "\0"]
)
def test_files_that_cannot_take_them(text: str) -> None:
    """What is no YAML in block style is refused by name, before anything is written."""
    with pytest.raises(UsageError) as caught:
        put(text, ONE)
    assert caught.value.code == "RVT-810"
