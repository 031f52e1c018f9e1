"""Engines: whatever runs a model, behind two protocols.

`jurist.engines.openai` and `jurist.engines.transformers` are imported by name, since each brings a
library that takes its time to load.
"""

from jurist.engines.base import Engine, LogprobEngine, StreamingEngine, sample_seed
from jurist.engines.cached import Cached
from jurist.engines.scripted import ScriptedEngine

__all__ = ["Cached", "Engine", "LogprobEngine", "ScriptedEngine", "StreamingEngine", "sample_seed"]
