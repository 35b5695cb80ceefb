"""Lineage and telemetry reach real HTTP endpoints (on loopback), hold no value of anybody, and never fail a sync."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from tests.e2e.house import MAIL, House, of


@dataclass
class Collector:
    """What came in, by path, oldest first; ``status`` is the answer to everything."""

    status: int = 200
    port: int = 0
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    def at(self, path: str) -> list[bytes]:
        """Return the bodies that came to a path."""
        return [body for where, body in self.bodies if where == path]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Return a collector that listens."""
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            kept.bodies.append((self.path, gzip.decompress(body) if packed else body))
            self.send_response(kept.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kept
        server.shutdown()
        thread.join()


@pytest.fixture
def watched(house: House, collector: Collector) -> tuple[str, str]:
    """Switch both on, change a reader, and return the reader's address and new name."""
    path, base = house.root / "revetl.yml", f"http://127.0.0.1:{collector.port}"
    path.write_text(path.read_text() + "\ntelemetry: {openlineage: true, opentelemetry: true}\n")
    house.variables |= {"OPENLINEAGE_URL": base, "OTEL_EXPORTER_OTLP_ENDPOINT": base}
    key, address = house.reader()
    house.sql(f"update customers set first_name = 'Quetzalcoatl' where customer_id = {key}")
    return address, "Quetzalcoatl"


def test_lineage(house: House, collector: Collector, watched: tuple[str, str]) -> None:
    """Each sync is a job that starts and completes: models in, the object out, each field from its column."""
    house.sync()
    events = [orjson.loads(body) for body in collector.at("/api/v1/lineage")]
    ours = [event for event in events if event["job"]["name"] == MAIL]
    assert [event["eventType"] for event in ours] == ["START", "COMPLETE"]
    assert len({event["run"]["runId"] for event in ours}) == 1
    (output,) = ours[1]["outputs"]
    assert (output["namespace"], output["outputFacets"]["outputStatistics"]["rowCount"]) == ("mailchimp://mailchimp", 1)
    (source,) = output["facets"]["columnLineage"]["fields"]["FNAME"]["inputFields"]
    assert source["field"] == "first_name"
    assert source["name"].endswith(".customers")
    assert (source["namespace"], source["name"]) in {(one["namespace"], one["name"]) for one in ours[0]["inputs"]}
    assert not any(text in str(collector.bodies) for text in watched)


def test_traces_and_metrics(house: House, collector: Collector, watched: tuple[str, str]) -> None:
    """A span for the run, one below it for each sync, and the counts of their changes."""
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    assert house.sync().exit_code == 0
    (traces,), (metrics,) = collector.at("/v1/traces"), collector.at("/v1/metrics")
    spans = {s.name: s for s in ExportTraceServiceRequest.FromString(traces).resource_spans[0].scope_spans[0].spans}
    assert spans[MAIL].parent_span_id == spans["revetl sync"].span_id
    counts = {one.key: one.value.int_value for one in spans[MAIL].attributes}
    assert (counts["revetl.delivered"], counts["revetl.rejected"]) == (1, 0)
    found = ExportMetricsServiceRequest.FromString(metrics).resource_metrics[0].scope_metrics[0].metrics
    assert {one.name for one in found} == {"revetl.changes", "revetl.lag"}
    assert not any(text.encode() in traces + metrics for text in watched)


@pytest.mark.usefixtures("watched")
def test_services_that_are_down_fail_nothing(house: House, collector: Collector) -> None:
    """Refused by both, the run is as good as it was; each is one warning."""
    collector.status = 400
    result = house.sync()
    assert (result.exit_code, of(result, MAIL).delivered) == (0, 1)
    assert [one.code for one in result.problems if one.code == "RVT-623"] == ["RVT-623"] * 2


@pytest.mark.usefixtures("watched")
def test_where_they_are_must_be_said(house: House, collector: Collector) -> None:
    """Switched on without an address, nothing is sent and a warning names the variable."""
    del house.variables["OPENLINEAGE_URL"], house.variables["OTEL_EXPORTER_OTLP_ENDPOINT"]
    told = [one.message for one in house.sync().problems if one.code == "RVT-623"]
    assert ["OPENLINEAGE_URL is not set" in told[0], "OTEL_EXPORTER_OTLP_ENDPOINT is not set" in told[1]] == [
        True,
        True,
    ]
    assert collector.bodies == []
