"""What `jurist label` writes: rows for trainers, what has no label and why, counts and cost."""

from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from jurist.data.label_files import NAMES, open_label_files
from jurist.data.labelled import LabelLayout
from jurist.data.lines import json_rows
from jurist.digest import canonical
from jurist.errors import DataError, StoreError
from jurist.recipes.estimate import Spent
from jurist.recipes.judge_identity import judge_note
from jurist.recipes.label_config import LabelConfig
from jurist.recipes.labels import Label, Reason
from jurist.recipes.responses import responses_counted
from jurist.recipes.run import seconds_spent
from jurist.showing import Console
from jurist.storage import replacing, write_json


def write_labels(
    config: LabelConfig, labels: Iterable[Label], spent: Spent, *, run: Path
) -> Counter[Reason]:
    """Write what was labelled, what was not, and the counts of both.

    Args:
        config: What to write.
        labels: What became of every row. Taken one by one.
        spent: What judging did cost.
        run: Directory of the run.

    Raises:
        DataError: If nothing could be labelled. The rest is written all the same.
    """
    counts = Counter[Reason]()
    note = judge_note(run)
    nothing: DataError | None = None
    with replacing(run / "unlabelled.jsonl") as aside:

        def set_aside(name: str, reason: Reason, confidence: float | None, **more: object) -> None:
            row = {"id": name, "reason": reason, "confidence": confidence, **more}
            aside.write(f"{canonical(row)}\n".encode())

        try:
            with open_label_files(run, config.to_write) as write:
                for row in _unpaired(run):
                    counts["one response"] += 1
                    set_aside(row.pop("id"), "one response", None, responses=row)
                for label in labels:
                    counts[label.reason] += 1
                    if label.reason in config.wanted:
                        write(label.labelled(note["fingerprint"]))
                    else:
                        set_aside(label.preference.id, label.reason, label.confidence)
                if not any(counts[reason] for reason in config.wanted):
                    raise DataError(
                        f"{config.pairs or config.pools or config.prompts}: none of "
                        f"{counts.total():,} could be labelled ({dict(counts)}); "
                        f"{run / 'unlabelled.jsonl'} says why of each"
                    )
        except DataError as error:
            nothing = error
    write_json(run / "labels.json", _summary(config, counts, spent, note, run=run))
    if nothing is not None:
        raise nothing
    return counts


def _unpaired(run: Path) -> Generator[dict[str, Any]]:
    """Prompts without two different responses, and what became of those."""
    path = run / "unpaired.jsonl"
    if path.exists():
        for row in json_rows(path):
            if row.columns is None:
                raise StoreError(f"{path}:{row.number}: {row.reason}; delete it and run again")
            yield row.columns


def _summary(
    config: LabelConfig, counts: Counter[Reason], spent: Spent, note: dict[str, Any], *, run: Path
) -> dict[str, Any]:
    """The content of `labels.json`. It has no times, so that it is the same in every run."""
    rows = {
        layout: sum(
            counts[reason]
            for reason in config.wanted
            if layout is LabelLayout.JURIST or reason == "preferred"
        )
        for layout in config.to_write
    }
    return {
        "labelled": max(rows.values()),
        **{reason: counts[reason] for reason in get_args(Reason)},
        "rows": {NAMES[layout]: number for layout, number in rows.items()},
        "judge": {"fingerprint": note["fingerprint"], **note["parts"]},
        "estimate": note["estimate"],
        "spent": {
            **asdict(spent),
            "price": config.prices.price(num_read=spent.num_read, num_written=spent.num_written),
            "tokens_per_label": spent.num_tokens / max(max(rows.values()), 1),
        },
        "responses": responses_counted(run),
    }


def show_labels(config: LabelConfig, run: Path, counts: Counter[Reason], spent: Spent) -> None:
    """Print what came of it, and what it did cost."""
    console = Console()
    seconds = seconds_spent(run, "judge/pairs") or 0.0
    price = config.prices.price(num_read=spent.num_read, num_written=spent.num_written)
    files = ", ".join(str(run / NAMES[layout]) for layout in config.to_write)
    labelled = sum(counts[reason] for reason in config.wanted)
    for line in (
        f"{counts['preferred']:,} preferences, "
        f"{counts['tied'] + counts['unsure'] + counts['flipped']:,} tied or unsure, "
        f"{counts['no verdict']:,} without a verdict, {counts['one response']:,} of one response, "
        f"{counts['budget']:,} beyond the budget: {files}",
        f"{spent.num_judgements:,} judgements, {spent.num_failures:,} of them failed, "
        f"{spent.num_read:,} tokens read and {spent.num_written:,} written"
        + ("" if price is None else f", a price of {price:,.2f}")
        + f", {spent.num_tokens / labelled:,.0f} tokens a label, {seconds:,.0f} s",
    ):
        console.print(line, markup=False, soft_wrap=True)
