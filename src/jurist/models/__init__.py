"""Models: conversations as tokens, loading of checkpoints, and scalar reward models as scorers.

`jurist.models.chat`, `load` and `heads` are imported by name, since each brings transformers, which
takes its time to load.
"""
