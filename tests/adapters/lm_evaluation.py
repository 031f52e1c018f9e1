"""An evaluation by lm-eval, in a process of its own: python lm_evaluation.py DOCS.jsonl

A document has a prompt, a reference, and the reply that the model gives.
"""

import json
import sys

from lm_eval import evaluator
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from stating import judge

from jurist.adapters import lm_eval_process_results


class Replying(LM):
    def generate_until(self, requests, disable_tqdm=False):
        return [request.doc["reply"] for request in requests]

    def loglikelihood(self, requests, disable_tqdm=False):
        raise NotImplementedError

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError


task = ConfigurableTask(
    config={
        "task": "primes",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": sys.argv[1]}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{reference}}",
        "process_results": lm_eval_process_results(judge),
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": better}
            for name, better in (("jurist_win", True), ("jurist_failed", False))
        ],
    }
)
found = evaluator.simple_evaluate(
    model=Replying(), tasks=[task], bootstrap_iters=0, log_samples=False
)
scores = found["results"]["primes"]
print(json.dumps({name: value for name, value in scores.items() if isinstance(value, float)}))
