"""Models + revetl.yml → what would leave, to whom; every complaint before any row."""

from __future__ import annotations

from revetl.plan.build import Resolved, build
from revetl.plan.flowdiff import FlowChange, FlowKind, diff_flows
from revetl.plan.flows import flow_hash, flows
from revetl.plan.orphans import KnownSync, Orphan, orphans

__all__ = [
    "FlowChange",
    "FlowKind",
    "KnownSync",
    "Orphan",
    "Resolved",
    "build",
    "diff_flows",
    "flow_hash",
    "flows",
    "orphans",
]
