"""Metrics of the server, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from scatd.registry import ModelRef

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one server. Labels are routes, drugs and versions, never data of a client."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        mine, route, model = self._registry, ("route", "method"), ("drug", "family")
        self._requests = Counter(
            "scatd_requests", "Requests answered", (*route, "status"), registry=mine
        )
        self._seconds = Histogram(
            "scatd_request_seconds", "Until the answer", route, registry=mine, buckets=_SECONDS
        )
        self._cells = Counter("scatd_cells", "Cells scored", model, registry=mine)
        self._version = Gauge("scatd_model_version", "In production", model, registry=mine)
        self.in_work = Gauge(
            "scatd_requests_in_work", "Uploading, waiting or computing", registry=mine
        )
        self.refreshes_failed = Counter(
            "scatd_refreshes_failed", "Looks at the registry that failed", registry=mine
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def scored(self, ref: ModelRef, n_cells: int) -> None:
        """Count the cells of one request."""
        self._cells.labels(ref.drug, ref.family).inc(n_cells)

    def in_production(self, refs: list[ModelRef]) -> None:
        """Set the versions that are in production now."""
        self._version.clear()
        for ref in refs:
            self._version.labels(ref.drug, ref.family).set(ref.version)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
