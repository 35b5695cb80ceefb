"""What a finished run tells lineage and tracing services, through their own clients (extra ``telemetry``).

Both are told counts and names, never a value of a record. Whatever happens comes back as a text, nothing is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from revetl import __version__
from revetl.send.network import DIRECT, Network
from revetl.send.sessions import session
from revetl.types import EMPTY

PRODUCER = f"https://pypi.org/project/revetl/{__version__}"
TIMEOUT = 10.0  # seconds for one service
MISSING = "pip install 'revetl[telemetry]'"

for _name in ("openlineage", "opentelemetry"):  # what goes wrong is returned, not logged beside our own output
    logging.getLogger(_name).setLevel(logging.CRITICAL)

Place = tuple[str, str]  # a dataset's namespace and name, as OpenLineage has them


@dataclass(frozen=True)
class Flow:
    """What one sync did in a run. ``columns``: their field → (dataset, column) that it comes from."""

    sync: str
    inputs: tuple[Place, ...]
    output: Place
    columns: Mapping[str, tuple[Place, str]] = EMPTY
    counts: Mapping[str, int] = EMPTY  # delivered, rejected, unknown, waiting, calls
    lag: float | None = None  # seconds, 95 of 100
    error: str | None = None


@dataclass(frozen=True)
class Ran:
    """A run and its flows; times are UTC."""

    project: str
    target: str
    run: str
    started_at: datetime
    finished_at: datetime
    exit_code: int
    flows: tuple[Flow, ...]


def _told(tell: Callable[[], str | None]) -> str | None:
    try:
        return tell()
    except ImportError:
        return MISSING
    except Exception as error:  # noqa: BLE001 - whatever a client of others raises, the run is over and stays as it is
        return type(error).__name__


def openlineage(ran: Ran, url: str, api_key: str | None = None, way: Network = DIRECT) -> str | None:
    """Send a START and an end event of each sync to an OpenLineage service; return None once it took them.

    Spec: https://openlineage.io/docs/spec/object-model.
    """
    return _told(lambda: _lineage(ran, url, api_key, way))


def _lineage(ran: Ran, url: str, api_key: str | None, way: Network) -> None:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import error_message_run
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport
    from openlineage.client.uuid import generate_new_uuid

    calls, adapter = session(way, url)
    config = HttpConfig(url=url, timeout=TIMEOUT, session=calls, adapter=adapter)
    if api_key:
        config.auth = ApiKeyTokenProvider({"apiKey": api_key})
    client = OpenLineageClient(transport=HttpTransport(config))
    for flow in ran.flows:
        job = Job(namespace=f"revetl/{ran.project}/{ran.target}", name=flow.sync)
        identity, inputs = str(generate_new_uuid(ran.started_at)), [InputDataset(*place) for place in flow.inputs]
        start = RunEvent(
            eventTime=ran.started_at.isoformat(), producer=PRODUCER, run=Run(identity), job=job,
            eventType=RunState.START, inputs=inputs, outputs=[],
        )  # fmt: skip
        facets: dict[str, Any] = {}
        if flow.error:
            facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(flow.error, "python")
        end = RunEvent(
            eventTime=ran.finished_at.isoformat(), producer=PRODUCER, run=Run(identity, facets), job=job,
            eventType=RunState.FAIL if flow.error else RunState.COMPLETE, inputs=inputs, outputs=[_output(flow)],
        )  # fmt: skip
        client.emit(start)
        client.emit(end)


def _output(flow: Flow) -> Any:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import column_lineage_dataset as lineage
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    fields = {
        field: lineage.Fields([lineage.InputField(*place, column)]) for field, (place, column) in flow.columns.items()
    }
    return OutputDataset(
        *flow.output,
        facets={"columnLineage": lineage.ColumnLineageDatasetFacet(fields)},
        outputFacets={
            "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(flow.counts.get("delivered", 0))
        },
    )


def opentelemetry(ran: Ran, endpoint: str, way: Network = DIRECT) -> str | None:
    """Send one trace (the run, a span for each sync) and the counts as metrics by OTLP over HTTP; None once taken.

    Spec: https://opentelemetry.io/docs/specs/otlp/. ``endpoint`` is the base URL, as ``OTEL_EXPORTER_OTLP_ENDPOINT``.
    """
    base = endpoint.rstrip("/")
    return _told(lambda: _traced(ran, base, way) or _measured(ran, base, way))


def _resource(ran: Ran) -> Any:
    from opentelemetry.sdk.resources import Resource

    names = {"service.name": "revetl", "service.version": __version__, "revetl.project": ran.project}
    return Resource.create({**names, "revetl.target": ran.target})


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000


def _traced(ran: Ran, endpoint: str, way: Network) -> str | None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), TracerProvider(resource=_resource(ran), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("revetl", __version__)
    start, end = _nanoseconds(ran.started_at), _nanoseconds(ran.finished_at)
    whole = tracer.start_span(
        "revetl sync", start_time=start, attributes={"revetl.run": ran.run, "revetl.exit_code": ran.exit_code}
    )
    for flow in ran.flows:
        counts = {f"revetl.{name}": count for name, count in flow.counts.items()}
        span = tracer.start_span(flow.sync, trace.set_span_in_context(whole), start_time=start, attributes=counts)
        if flow.error:
            span.set_status(trace.StatusCode.ERROR, flow.error)
        span.end(end)
    whole.end(end)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=TIMEOUT, session=session(way, endpoint)[0])
    taken = exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS
    exporter.shutdown()  # type: ignore[no-untyped-call]
    return None if taken else "traces were not taken"


def _measured(ran: Ran, endpoint: str, way: Network) -> str | None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=_resource(ran), shutdown_on_exit=False)
    meter = provider.get_meter("revetl", __version__)
    changes = meter.create_counter("revetl.changes", unit="{change}", description="changes of a run by outcome")
    lag = meter.create_gauge("revetl.lag", unit="s", description="from build to acknowledgement, 95 of 100 changes")
    for flow in ran.flows:
        for outcome, count in flow.counts.items():
            if outcome != "calls":
                changes.add(count, {"revetl.sync": flow.sync, "revetl.outcome": outcome})
        if flow.lag is not None:
            lag.set(flow.lag, {"revetl.sync": flow.sync})
    data = reader.get_metrics_data()
    exporter = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", timeout=TIMEOUT, session=session(way, endpoint)[0])
    taken = data is None or exporter.export(data, timeout_millis=TIMEOUT * 1_000) is MetricExportResult.SUCCESS
    exporter.shutdown()
    return None if taken else "metrics were not taken"
