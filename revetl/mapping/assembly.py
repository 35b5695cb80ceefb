"""Drafts and items → SyncPlans: each sync is put together from the models of its entity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from revetl.config import Config
from revetl.config.schema import did_you_mean
from revetl.mapping.cohorts import check_style, limiting, resolve_cohorts, style_of
from revetl.mapping.complaints import Complaints
from revetl.mapping.consent import consent_of
from revetl.mapping.drafts import Draft
from revetl.mapping.entities import Entity, check_keys, find_entities, reference
from revetl.mapping.fields import Landing, check_pii, joined, land, resolve_match
from revetl.mapping.items import Fault, Item, Said
from revetl.mapping.links import links_of
from revetl.mapping.names import Names
from revetl.mapping.policy import check_policies, check_required, constants_of
from revetl.types import CohortPlan, Freshness, Guards, LinkPlan, ModelRef, OnLeave, SyncPlan


class Assembly:
    """What the syncs of one target share while they are put together."""

    def __init__(self, said: Said, names: Names, drafts: tuple[Draft, ...], say: Complaints) -> None:
        """Take what models say, whom names mean, and the syncs wanted."""
        self.items = said.items
        self.names = names
        self.drafts = drafts
        self.say = say
        self._describing = Counter(item.spec.entity for item in said.items if item.spec.kind == "properties")

    def users(self, item: Item) -> tuple[str, ...]:
        """Return the syncs that read a model: it feeds a field or cohort of theirs, limits them, or says who exists."""
        leads = item.spec.kind == "properties" and (item.spec.base or self._describing[item.spec.entity] == 1)
        return tuple(
            draft.name
            for draft in self.drafts
            if draft.entity == item.spec.entity
            and (leads or _limits(item.name, draft) or self._reaches(item.destinations, draft))
        )

    def _reaches(self, names: frozenset[str], draft: Draft) -> bool:
        return self.names.reaches_any(names, draft.destination, draft.name)

    def stopped_by(self, fault: Fault) -> tuple[str, ...]:
        """Return the syncs that a fault in a model's meta concerns, as far as the meta lets us know."""
        found = []
        for draft in self.drafts:
            if fault.entity is not None and fault.entity != draft.entity:
                continue
            named = self._reaches(fault.names, draft) if fault.names else fault.entity is not None
            if named or _limits(fault.node.name, draft):
                found.append(draft.name)
        return tuple(found)

    def syncs(self) -> tuple[SyncPlan, ...]:
        """Return every sync that could be put together, by name; the findings say which of them may not run."""
        entities = find_entities(self.items, self.users, self.say)
        for entity in entities.values():
            check_keys(entity, self.users, self.say)
        plans = [self._sync(draft, entities) for draft in self.drafts]
        return tuple(sorted((plan for plan in plans if plan is not None), key=lambda plan: plan.name))

    def _sync(self, draft: Draft, entities: Mapping[str, Entity]) -> SyncPlan | None:
        check_policies(draft, self.say)
        entity = entities.get(draft.entity)
        if entity is None:
            self._no_entity(draft, entities)
            return None
        landed = land(draft, entity, self.names, self.say)
        match = resolve_match(draft, entity, landed, self.say)
        field, landed = match or (None, landed)
        check_pii(draft, landed, self.say)
        check_required(draft, landed, field, self.say)
        links = links_of(draft, entity, self.drafts, entities, self.names, self.say)
        return self._plan(draft, entity, field, landed, links)

    def _cohorts(self, draft: Draft, entity: Entity, guards: Guards) -> tuple[CohortPlan, ...]:
        cohorts = resolve_cohorts(draft, entity, self.names, guards, self.say)
        check_style(draft, cohorts, self.say)
        return cohorts

    def _limits(self, draft: Draft, entity: Entity, which: str) -> tuple[ModelRef, ...]:
        return limiting(draft, entity, which, self.items, self.say)

    def _plan(
        self,
        draft: Draft,
        entity: Entity,
        match: str | None,
        landed: tuple[Landing, ...],
        links: tuple[LinkPlan, ...],
    ) -> SyncPlan | None:
        """Return the sync; None, with every finding said, where nothing identifies its records."""
        config, whole = draft.config, self.names.config
        guards = config.guards.over(Guards())
        constants = constants_of(draft, landed, match, self.say)
        cohorts = self._cohorts(draft, entity, guards)
        audience = self._limits(draft, entity, "audience")
        exclude = self._limits(draft, entity, "exclude")
        if match is None:
            return None
        fields = tuple(landing.plan for landing in landed)
        consent = consent_of(draft, entity, self.say)
        feeding = {field.model for field in fields} | {link.model for link in links}
        feeding |= {consent.model} if consent else set()
        return SyncPlan(
            name=draft.name,
            destination=draft.destination,
            type=draft.type.name,
            object=draft.object,
            entity=entity.name,
            key=entity.key,
            base=reference(entity.base, entity),
            match_field=match,
            match_property=next(field.property for field in fields if field.field == match),
            fields=fields,
            links=links,
            joined=tuple(reference(item, entity) for item in joined(feeding, entity)),
            cohorts=cohorts,
            consent=consent,
            audience=audience,
            exclude=exclude,
            mode=config.mode,
            on_leave=OnLeave.CLEAR if config.on_leave == "drop" else config.on_leave,
            drops=config.on_leave == "drop",
            on_leave_scope=config.on_leave_scope,
            cohort_style=style_of(draft) if cohorts else None,
            create_cohorts=config.create_cohorts,
            constants=constants,
            guards=guards,
            timezone=config.timezone or whole.timezone,
            require_tests=whole.require_tests,
            freshness=_freshness(draft, entity, whole),
            was=_full_name(draft.destination, config.was),
            sandbox=draft.connection.sandbox,
            settings=config.settings,
        )

    def _no_entity(self, draft: Draft, entities: Mapping[str, Entity]) -> None:
        if draft.name in self.say.broken:
            return  # the model that describes it may be one that could not be read
        what = f"no properties model describes entity '{draft.entity}' of {draft.name}"
        remedy = did_you_mean(draft.entity, entities) or "write `revetl: {kind: properties, entity: …, key: …}` on one"
        self.say.error("RVT-329", what, remedy, syncs=(draft.name,), file=draft.file)


def _freshness(draft: Draft, entity: Entity, whole: Config) -> Freshness | None:
    """Return how old data may be: the sync's own word, else its base model's, else the project's."""
    said = draft.config.freshness or entity.base.spec.freshness or whole.freshness
    return said.plain() if said else None


def _limits(name: str, draft: Draft) -> bool:
    return name in draft.config.audience or name in draft.config.exclude


def _full_name(destination: str, was: str | None) -> str | None:
    """Return a sync's former name with its destination, which people leave out inside it."""
    return was if was is None or "." in was else f"{destination}.{was}"
