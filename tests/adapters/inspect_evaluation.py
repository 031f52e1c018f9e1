"""An evaluation by inspect_ai, in a process of its own: python inspect_evaluation.py LOGS WORD...

Its model replies with the words it is given, one a sample. Its own model for tests is no use here:
that one counts tokens with a file that it fetches.
"""

import json
import sys

import inspect_ai.scorer
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelAPI, ModelOutput, get_model, modelapi
from stating import judge

from jurist.adapters import inspect_scorer


@modelapi(name="echo")
class Echo(ModelAPI):
    async def generate(self, input, tools, tool_choice, config):
        return ModelOutput.from_content("echo", input[-1].text.partition(": ")[2])


task = Task(
    dataset=[Sample(input=f"Name a prime: {word}", target="two") for word in sys.argv[2:]],
    scorer=inspect_scorer(inspect_ai.scorer, judge),
)
(log,) = eval(
    task, model=get_model("echo/echo"), display="none", log_dir=sys.argv[1], max_connections=1
)
scores = [sample.scores["jurist"] for sample in log.samples or []]
(result,) = log.results.scores
print(
    json.dumps(
        {
            "status": log.status,
            "values": [one.value for one in scores],
            "explanations": [one.explanation for one in scores],
            "metadata": [one.metadata for one in scores],
            "mean": result.metrics["mean"].value,
            "unscored": result.unscored_samples,
        }
    )
)
