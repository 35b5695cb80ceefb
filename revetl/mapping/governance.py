"""The project's policies against what its syncs would do; who breaks one does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from revetl.config.policies import PoliciesSpec
from revetl.mapping.complaints import Complaints, model_name
from revetl.mapping.names import Names, unknown
from revetl.types import ModelRef, Node, Project, SyncPlan


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A column, or the membership of a cohort, that leaves by a sync."""

    sync: SyncPlan
    node: Node
    column: str | None
    pii: str | None

    @property
    def named(self) -> str:
        """Return what leaves."""
        return f"column '{self.column}'" if self.column else f"cohort '{model_name(self.node)}'"

    def fits(self, subject: str) -> bool:
        """Return whether a rule's left side means this."""
        kind, _, name = subject.partition(":")
        if kind == "pii":
            return self.pii is not None and name in {"", self.pii}
        if kind == "group":
            return self.node.group == name
        described = self.node.columns.get(self.column or "")
        return name in self.node.tags or (described is not None and name in described.tags)


def check_governance(names: Names, project: Project, syncs: Sequence[SyncPlan], say: Complaints) -> None:
    """Say which policies of revetl.yml the syncs break, and which policies name what is not there."""
    policies = names.config.policies
    _check_names(names, policies, say)
    leaving = [part for sync in syncs for part in _leaving(project, sync)]
    for part in leaving:
        _denied(part, names, policies, say)
    if policies.require_description:
        for part in leaving:
            _described(part, say)
    _check_models(project, syncs, policies, say)


def _leaving(project: Project, sync: SyncPlan) -> Iterator[_Leaving]:
    for field in (*sync.mapped, *(field for cohort in sync.cohorts for field in cohort.fields)):
        for column in field.property.split(", "):
            yield _Leaving(sync, project.nodes[field.model], column, field.pii)
    for cohort in sync.cohorts:
        yield _Leaving(sync, project.nodes[cohort.ref.unique_id], None, None)


def _check_names(names: Names, policies: PoliciesSpec, say: Complaints) -> None:
    """Say which rules go to nobody: a rule that means nothing would allow what it should deny."""
    said = [*(rule.to for rule in policies.deny), *(to for group in policies.only.values() for to in group)]
    for name in unknown(names, said):
        what = f"a policy names '{name[:60]}', which is no destination, sync or group"
        known = ", ".join(sorted(names.known)[:12])
        file = names.config.where("policies")
        say.error("RVT-358", what, f"choose one of: {known}", syncs=names.config.destinations, file=file)


def _denied(part: _Leaving, names: Names, policies: PoliciesSpec, say: Complaints) -> None:
    sync = part.sync

    def goes(to: str) -> bool:
        """Return whether a rule's right side means this sync."""
        return names.reaches(to, sync.destination, sync.name)

    remedy = f"remove it from `to`, or change the policy at {names.config.where('policies')}"

    def deny(code: str, what: str) -> None:
        say.error(code, what, remedy, syncs=(sync.name,), node=part.node, column=part.column)

    for rule in policies.deny:
        if part.fits(rule.subject) and goes(rule.to):
            deny("RVT-350", f"{part.named} goes to {sync.name}, which `{rule}` denies")
    for subject, allowed in policies.only.items():
        if part.fits(subject) and not any(goes(to) for to in allowed):
            there = f"may go only to {', '.join(allowed)}" if allowed else "may go nowhere"
            deny("RVT-351", f"{part.named} goes to {sync.name}, but {subject} {there}")


def _described(part: _Leaving, say: Complaints) -> None:
    described = part.node.columns.get(part.column) if part.column else part.node
    if described is None or not described.description.strip():
        what = f"{part.named} leaves and has no description"
        remedy = "write `description:` beside it in YAML"
        say.error("RVT-352", what, remedy, syncs=(part.sync.name,), node=part.node, column=part.column)


def _check_models(project: Project, syncs: Sequence[SyncPlan], policies: PoliciesSpec, say: Complaints) -> None:
    users: dict[str, list[str]] = {}
    keys: dict[str, ModelRef] = {}
    for sync in syncs:
        for ref in sync.models:
            users.setdefault(ref.unique_id, []).append(sync.name)
            keys.setdefault(ref.unique_id, ref)
    for unique_id, ref in sorted(keys.items()):
        node = project.nodes[unique_id]
        for code, what, remedy in _lacks(project, node, ref, policies):
            message = f"model '{model_name(node)}' {what}"
            say.error(code, message, remedy, syncs=users[unique_id], node=node)


def _lacks(project: Project, node: Node, ref: ModelRef, policies: PoliciesSpec) -> Iterator[tuple[str, str, str]]:
    """Yield code, what is missing, and the remedy, for each requirement that a model does not meet."""
    if policies.require_owner and not (node.group or node.meta.get("owner")):
        yield "RVT-353", "has no owner", "put it into a dbt group, or write `meta: {owner: …}`"
    if policies.require_tests_on_key and not _tested(project, node, ref.key):
        key = ", ".join(ref.key)
        yield "RVT-354", f"has no tests that its key ({key}) is unique and never null", "add `unique` and `not_null`"
    if policies.require_contract and not node.contract:
        yield "RVT-355", "has no enforced contract", "write `contract: {enforced: true}` in its config"
    if policies.access and node.access not in policies.access:
        wanted = " or ".join(policies.access)
        yield (
            "RVT-356",
            f"has access {node.access}, not {wanted}",
            f"write `access: {policies.access[0]}` in its config",
        )


def _tested(project: Project, node: Node, key: tuple[str, ...]) -> bool:
    """Return whether tests prove the key: not_null of each column, and unique of it or of the columns together."""
    checks = [check for check in project.checks.values() if check.attached_node == node.unique_id]
    columns = _by_kind((check.kind, check.column) for check in checks)
    whole = set(key) <= columns("not_null")
    if len(key) == 1:
        return whole and key[0] in columns("unique")
    return whole and any(check.kind.startswith("unique_combination") for check in checks)


def _by_kind(found: Iterable[tuple[str, str | None]]) -> Callable[[str], set[str]]:
    lots: Mapping[str, set[str]] = {"not_null": set(), "unique": set()}
    for kind, column in found:
        if kind in lots and column:
            lots[kind].add(column)
    return lambda kind: lots[kind]
