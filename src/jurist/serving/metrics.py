"""What a server tells Prometheus: requests, judgements, failures, tokens, batches and queues."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The numbers of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "jurist_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "jurist_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._judged = Counter(
            "jurist_judged",
            "Comparisons judged, or single responses scored, by whether a verdict came of it.",
            ["outcome"],
            registry=registry,
        )
        self._rewarded = Counter(
            "jurist_rewards",
            "Single responses rewarded, by what they were held against and whether it failed.",
            ["against", "outcome"],
            registry=registry,
        )
        self._tokens = Counter("jurist_written_tokens", "Tokens written.", registry=registry)
        self._sizes = Histogram(
            "jurist_batch_size", "Items of one call.", buckets=_SIZES, registry=registry
        )
        self._batch_seconds = Histogram(
            "jurist_batch_seconds", "Time of one call.", buckets=_SECONDS, registry=registry
        )
        self._waiting = Gauge("jurist_waiting", "Items that wait for a call.", registry=registry)
        self._cohorts = Gauge(
            "jurist_open_cohorts", "Cohorts that wait for more responses.", registry=registry
        )

    def watch(self, *, waiting: Callable[[], float], cohorts: Callable[[], float]) -> None:
        """Say where the lengths of the queues are to be read."""
        self._waiting.set_function(waiting)
        self._cohorts.set_function(cohorts)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that has been answered."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def refused(self, status: int) -> None:
        """Count what was refused before it was a request."""
        self._requests.labels("none", str(status)).inc()

    def batch(self, size: int, seconds: float) -> None:
        """Count a call of the judge."""
        self._sizes.observe(size)
        self._batch_seconds.observe(seconds)

    def judged(self, *, failed: bool, num_tokens: int) -> None:
        """Count a comparison that was judged."""
        self._judged.labels("failure" if failed else "verdict").inc()
        self._tokens.inc(num_tokens)

    def rewarded(self, against: str, *, failed: bool) -> None:
        """Count a single response that was rewarded, or could not be."""
        self._rewarded.labels(against, "failure" if failed else "reward").inc()

    def page(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self._registry)
