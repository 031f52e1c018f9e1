"""Serving: a judge behind HTTP, in the shapes that training and evaluation stacks ask in."""

from jurist.serving.app import make_app
from jurist.serving.batching import MAX_BATCH, MAX_WAITING, Batcher, Crowded
from jurist.serving.connections import ConnectionLimits, make_server, raise_open_files
from jurist.serving.gathering import Gathered, Gatherer
from jurist.serving.guard import MAX_BODY_BYTES, RequestLimits
from jurist.serving.metrics import Metrics
from jurist.serving.service import About, Against, Reward, Rules, Service
from jurist.serving.stacks import Labels

__all__ = [
    "MAX_BATCH",
    "MAX_BODY_BYTES",
    "MAX_WAITING",
    "About",
    "Against",
    "Batcher",
    "ConnectionLimits",
    "Crowded",
    "Gathered",
    "Gatherer",
    "Labels",
    "Metrics",
    "RequestLimits",
    "Reward",
    "Rules",
    "Service",
    "make_app",
    "make_server",
    "raise_open_files",
]
