"""Models + revetl.yml → the syncs of one target, and every complaint, before any row is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revetl.config import Config
from revetl.config.schema import did_you_mean
from revetl.contract import Destination
from revetl.mapping.assembly import Assembly
from revetl.mapping.claims import check_claims
from revetl.mapping.complaints import Complaints, order
from revetl.mapping.connections import check_settings
from revetl.mapping.drafts import Draft, draft_syncs
from revetl.mapping.governance import check_governance
from revetl.mapping.items import Fault, Said, read_items
from revetl.mapping.models import Catalog, check_models
from revetl.mapping.names import Names
from revetl.types import EMPTY, Problem, Project, Severity, SyncPlan


@dataclass(frozen=True, slots=True)
class Resolved:
    """The syncs of one target, and what is wrong.

    ``syncs`` holds those that can run, by name. ``broken`` names those that cannot (a destination's name stands for
    all of its syncs). ``fatal``: revetl.yml itself has an error that concerns every sync, so that none may run.
    ``skipped`` names the destinations that do not name the target: they write nothing. ``refused`` holds
    the broken ones that could run and are not allowed to: what they would do can be shown.
    """

    syncs: tuple[SyncPlan, ...]
    problems: tuple[Problem, ...] = ()
    broken: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()
    fatal: bool = False
    refused: tuple[SyncPlan, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that are errors."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)


def build(
    project: Project,
    config: Config,
    target: str,
    registry: Mapping[str, Destination],
    *,
    catalog: Catalog = EMPTY,
) -> Resolved:
    """Return the syncs of ``target`` as meta and revetl.yml describe them, with every problem of both.

    ``registry`` holds the installed destination types by name; ``catalog`` (unique id → column names) makes the
    findings about columns certain where catalog.json or the warehouse was read. Raises nothing of its own: one bad
    sync never stops the others.
    """
    say = Complaints()
    said = read_items(project)
    names = Names(config, frozenset(_entity_names(said)))
    drafts = draft_syncs(names, target, registry, said, say)
    plan = Assembly(said, names, drafts, say)
    _report_faults(said.faults, plan, say)
    check_claims(said.items, drafts, names, say)
    check_models(said.items, plan.users, catalog, say)
    syncs = plan.syncs()
    _check_connections(config, target, drafts, say)
    skipped = tuple(sorted(name for name, d in config.destinations.items() if target not in d.targets))
    _check_target(config, target, say)
    faulty = say.faulty | config.broken
    sound = tuple(s for s in syncs if not {s.name, s.destination} & faulty and not config.fatal)
    check_governance(names, project, sound, say)
    broken = frozenset(say.broken) | config.broken
    return Resolved(
        syncs=tuple(s for s in sound if not {s.name, s.destination} & broken),
        refused=tuple(s for s in sound if s.name in say.refused and not {s.name, s.destination} & say.faulty),
        problems=tuple(sorted((*config.problems, *say.problems), key=order)),
        broken=broken,
        skipped=tuple(name for name in skipped if name not in broken),
        fatal=config.fatal,
    )


def _entity_names(said: Said) -> set[str]:
    return {item.spec.entity for item in said.items} | {fault.entity for fault in said.faults if fault.entity}


def _report_faults(faults: tuple[Fault, ...], plan: Assembly, say: Complaints) -> None:
    for fault in faults:
        found = fault.complaint
        syncs = plan.stopped_by(fault)
        say.error(found.code, found.message, found.remedy, syncs=syncs, node=fault.node, column=fault.column)


def _check_connections(config: Config, target: str, drafts: tuple[Draft, ...], say: Complaints) -> None:
    for draft in {draft.destination: draft for draft in drafts}.values():
        syncs = tuple(other.name for other in drafts if other.destination == draft.destination)
        check_settings(config, target, draft, syncs, say)


def _check_target(config: Config, target: str, say: Complaints) -> None:
    targets = {name for destination in config.destinations.values() for name in destination.targets}
    if targets and target not in targets:
        what = f"no destination names the target '{target[:60]}': nothing goes anywhere"
        say.warning("RVT-125", what, did_you_mean(target, targets), file=config.where("destinations"))
