"""Models: conversations as tokens, loading of checkpoints, and scalar reward models as scorers.

`jurist.models.chat`, `load` and `heads` are imported by name, since each brings transformers, which
takes its time to load.
"""

from jurist.extras import refuse_unfit

# Before transformers is imported: what an old one lacks is said worse by what fails then.
refuse_unfit("train")
