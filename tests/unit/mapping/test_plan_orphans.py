"""What state knows and nobody names any more."""

from __future__ import annotations

from planfactory import column, customers, resolve, syncs_yml, vip

from revetl.mapping import KnownSync, Orphan, orphans


def known(
    name: str = "crm.customer", fields: tuple[str, ...] = (), cohorts: tuple[str, ...] = ()
) -> dict[str, KnownSync]:
    """Return what state knows of one sync."""
    return {name: KnownSync(name, fields, cohorts)}


def test_nothing_removed_is_no_orphan() -> None:
    """Everything state knows is still mapped."""
    syncs = resolve(customers(), vip()).syncs
    assert orphans(known(fields=("email_address",), cohorts=("vip",)), syncs) == ()


def test_removed_field_cohort_and_sync() -> None:
    """A removed mapping, cohort and sync are listed, each by its name."""
    before = known(fields=("email_address", "LTV"), cohorts=("vip",)) | known("crm.lead", fields=("x",))
    assert orphans(before, resolve(customers()).syncs) == (
        Orphan("crm.customer", "cohort", "vip"),
        Orphan("crm.customer", "field", "LTV"),
        Orphan("crm.lead", "sync", "crm.lead"),
    )


def test_was_makes_a_rename() -> None:
    """`was` on a field, a cohort and a sync says where the history went; nothing is to be settled."""
    field = column("x", {"to": {"crm": {"field": "NEW", "was": "OLD"}}})
    yml = syncs_yml("was: customer").replace("      customer:", "      people:")
    syncs = resolve(customers(field), vip(name="top", was="vip"), yml=yml).syncs
    found = orphans(known(fields=("email_address", "OLD"), cohorts=("vip",)), syncs)
    assert found == (
        Orphan("crm.customer", "cohort", "vip", "top"),
        Orphan("crm.customer", "field", "OLD", "NEW"),
        Orphan("crm.customer", "sync", "crm.customer", "crm.people"),
    )
    assert all(orphan.renamed for orphan in found)


def test_constants_are_no_orphans() -> None:
    """A field that is a constant now is still named."""
    syncs = resolve(customers(), yml=syncs_yml("constants: {SRC: dbt}")).syncs
    assert orphans(known(fields=("SRC",)), syncs) == ()


def test_broken_and_skipped_syncs_are_no_orphans() -> None:
    """A sync that revetl.yml names but that cannot run now, or whose destination is skipped, keeps its history."""
    before = known("crm.customer", fields=("a",)) | known("hub.customer", fields=("b",))
    assert orphans(before, (), still={"crm.customer", "hub"}) == ()


def test_was_of_a_sync_that_lives_is_ignored() -> None:
    """`was` naming a sync that still exists renames nothing."""
    yml = syncs_yml("").rstrip() + "\n      people: {entity: customer, allow_pii: [email], was: customer}\n"
    syncs = resolve(customers(), yml=yml).syncs
    assert orphans(known(fields=("email_address",)), syncs) == ()
