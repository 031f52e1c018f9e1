"""`README.md` of a checkpoint: what it is, how it was made, how well it agrees, how to load it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from jurist.evaluation import Estimate
from jurist.reports.markdown import escaped, joined, table
from jurist.reports.results import DatasetFacts, JudgedRow, Results
from jurist.reports.table import percent, with_interval
from jurist.training.card import MARK, front_matter, is_hub_id, loader_of

_WHAT = {
    "scalar": "a reward model: one number for a prompt and a response, higher for the better",
    "comparer": "a reward model that reads a prompt and both responses, and gives the log-odds "
    "that the first is better",
    "direct": "a judge that reads a prompt and two responses and says at once which is better",
    "reasoning": "a judge that reads a prompt and two responses, reasons, and says which is better",
    "points": "a model that answers, and gives responses points with reasons",
    "verifier": "a judge of single responses: how likely it says Yes is the reward",
    "critic": "a model that writes a critique of a response, and a reward after it",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CardFacts:
    """What a card says besides the results."""

    name: str
    """What the model is called."""

    card: Mapping[str, object]
    """`jurist.json` of the checkpoint."""

    base_model: str
    """Folder or hub id that the run started from."""

    seed: int
    voting: Mapping[str, object]
    """How the judge was asked in the evaluation. Empty if it is not sampled."""


def model_card(facts: CardFacts, results: Results) -> str:
    """Write the card of an evaluated checkpoint.

    Args:
        facts: What it is.
        results: Its evaluation. Every row is one of it.

    Returns:
        Markdown with the front matter that the hub reads, ending in a line break. Paths of the
        machine are cut to their last name.
    """
    kind = str(facts.card.get("kind", ""))
    base = facts.base_model if is_hub_id(facts.base_model) else last_name(facts.base_model)
    trained = next((one for one in results.datasets if one.split == "train"), None)
    head = front_matter(
        facts.card, base_model=facts.base_model, model_index=[_model_index(facts.name, results)]
    )
    parts = [
        head,
        MARK,
        f"# {escaped(facts.name)}",
        f"This is {_WHAT.get(kind, 'a judge of preferences')}. It was trained from "
        f"{escaped(base)} by jurist {escaped(results.version)} with the method "
        f"{escaped(str(facts.card.get('method', 'unknown')))}.",
        "## Agreement",
        table(_HEADINGS, _cells(results), [False, *[True] * (len(_HEADINGS) - 1)]),
        "- **accuracy**: pairs on which all votes, with the responses in both orders, agree with "
        "the label; a tie is half right, a failure wrong. The interval resamples groups of pairs",
        "- **flips**: pairs on which the other order of the responses changes the verdict",
        "- **failures**: readings that came to no verdict; they stay in the denominator",
        _seeds(facts),
    ]
    if results.shortcuts:
        parts += [
            "What needs no judge, on the same pairs:",
            table(
                ["shortcut", "split", "accuracy % [95 %]"],
                [
                    [row.shortcut.name, row.split, with_interval(row.shortcut.accuracy)]
                    for row in results.shortcuts
                ],
            ),
        ]
    parts += ["## Data", _data(trained, results), "## Settings", _settings(facts)]
    parts += ["## Loading", *_loading(kind, facts.card), "## Limits", _limits(results)]
    return joined(parts)


_HEADINGS = ("split", "accuracy % [95 %]", "pairs", "groups", "flips %", "failures %")


def _cells(results: Results) -> list[list[str]]:
    return [
        [
            row.split,
            with_interval(row.agreement.accuracy),
            str(row.agreement.num_pairs),
            str(row.agreement.num_groups),
            "-" if row.agreement.flips is None else percent(row.agreement.flips.value),
            percent(row.agreement.failure_rate),
        ]
        for row in results.rows
    ]


def _model_index(name: str, results: Results) -> dict[str, object]:
    return {"name": name, "results": [_index_entry(row) for row in results.rows]}


def _index_entry(row: JudgedRow) -> dict[str, object]:
    agreement = row.agreement
    metrics = [_metric("accuracy", agreement.accuracy.value, _interval(agreement.accuracy))]
    if agreement.flips is not None:
        metrics.append(_metric("flip_rate", agreement.flips.value, "Flips"))
    metrics.append(_metric("failure_rate", agreement.failure_rate, "Failures"))
    return {
        "task": {"type": "text-classification", "name": "Judging preferences"},
        "dataset": {"type": row.split, "name": row.split},
        "metrics": metrics,
    }


def _metric(kind: str, value: float, name: str) -> dict[str, object]:
    return {"type": kind, "value": round(value, 4), "name": name}


def _interval(estimate: Estimate) -> str:
    return f"Accuracy, 95 % interval {estimate.low:.3f} to {estimate.high:.3f}"


def _seeds(facts: CardFacts) -> str:
    return (
        f"One training with seed {facts.seed}: the intervals say what other pairs would have "
        f"changed, and not what another seed would have."
    )


def _data(trained: DatasetFacts | None, results: Results) -> str:
    rows = [*([trained] if trained else []), *(one for one in results.datasets if one != trained)]
    return table(
        ["split", "from", "pairs", "ties", "groups", "rows whose prompt was trained on"],
        [
            [
                one.split,
                ", ".join(last_name(name) for name in one.name.split(", ")),
                str(one.num_pairs),
                str(one.num_tie_labels),
                str(one.num_groups),
                "-" if one.num_overlapping is None else str(one.num_overlapping),
            ]
            for one in rows
        ],
        [False, False, True, True, True, True],
    )


def _settings(facts: CardFacts) -> str:
    settings = {**facts.card, "seed": facts.seed}
    if facts.voting:
        settings["voting"] = dict(facts.voting)
    return f"```json\n{json.dumps(settings, indent=2)}\n```"


def _loading(kind: str, card: Mapping[str, object]) -> list[str]:
    loader = loader_of(card)
    parts = [
        "With transformers alone:",
        "```python\n"
        f"from transformers import AutoTokenizer, {loader}\n\n"
        f'model = {loader}.from_pretrained("OWNER/NAME")\n'
        'tokenizer = AutoTokenizer.from_pretrained("OWNER/NAME")\n```',
    ]
    if loader == "AutoModelForCausalLM":
        parts += ["With vLLM:", "```sh\nvllm serve OWNER/NAME\n```"]
    if kind == "critic":
        parts.append("`reward_head.json` holds the head that rewards; jurist reads it.")
    return [
        *parts,
        "With jurist, which asks it as it was trained to be asked (`jurist.json` says how):",
        "```sh\nhf download OWNER/NAME --local-dir judge\n"
        "jurist judge --model judge --pairs pairs.jsonl --output runs/judged\n```",
    ]


def _limits(results: Results) -> str:
    worst = max(row.agreement.failure_rate for row in results.rows)
    flips = [row.agreement.flips.value for row in results.rows if row.agreement.flips is not None]
    flipped = (
        f" The order of the responses changed up to {percent(max(flips))} % of its verdicts."
        if flips
        else ""
    )
    return (
        f"The numbers are of the splits above and of no other data: measure the judge on pairs "
        f"like yours before you trust it. Up to {percent(worst)} % of its readings came to no "
        f"verdict.{flipped} A judge can be swayed by length, style and confident tone; what it "
        f"prefers is what the people preferred who labelled its training pairs, whose reasons may "
        f"not be yours."
    )


def last_name(source: str) -> str:
    """A source as may be published: an id of the hub as it is, of a path its last name."""
    return source if is_hub_id(source) else PurePath(source).name or source
