"""Each complaint about meta and mapping: its code, where it is, and what to write instead."""

from __future__ import annotations

import pytest
from plancases import MODELS, Case
from planfactory import only


@pytest.mark.parametrize("case", MODELS.values(), ids=MODELS.keys())
def test_one_complaint(case: Case) -> None:
    """Each mistake is exactly one error: code, model, column, file, reason and remedy."""
    make, code, name, col, piece, remedy = case
    problem = only(make(), code)
    assert (problem.model, problem.column) == (name, col)
    assert piece in problem.message
    assert problem.remedy == remedy or (not remedy and problem.message)
    assert problem.file is not None
    assert problem.file.startswith(f"models/{name}.yml" if name and ".yml:" not in problem.file else "revetl.yml:")


# Nothing says which sync was meant; the data that is not sent is data that nobody said where to send.
STOPS_NOTHING = {"meta is no mapping", "destination without a sync of the entity", "cohort names an unknown group"}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - STOPS_NOTHING))
def test_errors_stop_the_syncs_they_concern(name: str) -> None:
    """A sync (or destination) that an error concerns is broken, and no broken sync is handed on."""
    resolved = MODELS[name][0]()
    assert resolved.broken
    assert not {sync.name for sync in resolved.syncs} & resolved.broken
    assert not resolved.fatal


def test_evidence_is_named() -> None:
    """A finding about columns says whether a contract or the catalog proves it."""
    by_contract = only(MODELS["column not in a contract"][0](), "RVT-303")
    by_catalog = only(MODELS["column not in the catalog"][0](), "RVT-303")
    assert (by_contract.evidence, by_catalog.evidence) == ("manifest", "catalog")
