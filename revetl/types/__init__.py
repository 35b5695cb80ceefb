"""The nouns of revetl, frozen. This module imports nothing of ours.

Vocabulary: an *entity* is what a row stands for; a *sync* keeps one entity in step with one object of one
destination and is named ``destination.sync``; a *record* is the desired state of one entity instance in a sync; a
*change* is one operation on one key of a sync; an *outcome* says what became of a change.
"""

from __future__ import annotations

from revetl.types.base import EMPTY, JSON
from revetl.types.changes import Batch, Change, Cohort, Erased, Link, Outcome, Person, RemoteField, RemoteRecord
from revetl.types.events import Delivery, Event, Finished, Guarded, Progress
from revetl.types.project import BuildResult, Check, Column, Node, Problem, Project, Relation
from revetl.types.results import Count, Habit, Held, Lag, RunResult, Sample, SyncPreview, SyncResult
from revetl.types.syncs import (
    CONSENT,
    CohortPlan,
    ConsentPlan,
    Constant,
    FieldPlan,
    Freshness,
    Guards,
    Limits,
    LinkPlan,
    ModelRef,
    SyncPlan,
)
from revetl.types.words import HIDDEN, Cause, Effect, Hash, Mode, OnLeave, OnNull, Op, Proof, Severity, Status, Write

__all__ = [
    "CONSENT",
    "EMPTY",
    "HIDDEN",
    "JSON",
    "Batch",
    "BuildResult",
    "Cause",
    "Change",
    "Check",
    "Cohort",
    "CohortPlan",
    "Column",
    "ConsentPlan",
    "Constant",
    "Count",
    "Delivery",
    "Effect",
    "Erased",
    "Event",
    "FieldPlan",
    "Finished",
    "Freshness",
    "Guarded",
    "Guards",
    "Habit",
    "Hash",
    "Held",
    "Lag",
    "Limits",
    "Link",
    "LinkPlan",
    "Mode",
    "ModelRef",
    "Node",
    "OnLeave",
    "OnNull",
    "Op",
    "Outcome",
    "Person",
    "Problem",
    "Progress",
    "Project",
    "Proof",
    "Relation",
    "RemoteField",
    "RemoteRecord",
    "RunResult",
    "Sample",
    "Severity",
    "Status",
    "SyncPlan",
    "SyncPreview",
    "SyncResult",
    "Write",
]
