"""Models + revetl.yml → what would leave, to whom; every complaint before any row."""

from __future__ import annotations

from revetl.mapping.build import Resolved, build
from revetl.mapping.flowdiff import FlowChange, FlowKind, diff_flows
from revetl.mapping.flows import flow_hash, flows
from revetl.mapping.orphans import KnownSync, Orphan, orphans

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
