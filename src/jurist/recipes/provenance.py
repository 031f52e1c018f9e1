"""What a judge is and how its training went, read from the folders that made it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from jurist.data.objects import read_object
from jurist.errors import ConfigError, DataError, StoreError
from jurist.recipes.checkpoints import checkpoint_folder, read_card
from jurist.recipes.run import read_run_config
from jurist.reports import (
    JudgeFacts,
    RoundFacts,
    TokenLengths,
    TokenSpread,
    TrainingCurve,
    TrainingPoint,
)
from jurist.training.metrics import read_metrics

NUM_POINTS = 100
"""Points that a training curve keeps; of a longer one each is the mean of neighbouring steps."""


def judge_facts(method: str, run: Path) -> JudgeFacts | None:
    """What a run says of the judge that it judged with; None if it is no run of one model.

    Args:
        method: Name of the judge in the report.
        run: Directory of the run that judged.
    """
    config = _config(run)
    judge = cast("dict[str, Any]", config.get("judge", config))
    model = judge.get("model")
    if not isinstance(model, str) or ("voting" not in judge and "training" not in config):
        return None
    maker = _maker(run)
    made = _config(maker) if maker else {}
    asked = str(judge.get("format", "auto"))
    served = str(judge.get("base_url", ""))
    card = {} if served else _card(maker or Path(model))
    return JudgeFacts(
        method=method,
        model=model,
        served=bool(served),
        recipe=str(card.get("method", "")),
        base=str(made.get("model", "")),
        kind=str(card.get("kind", "")),
        format=str(card.get("format", "")) if asked == "auto" else asked,
        trained_on=str(cast("dict[str, Any]", made.get("data", {})).get("train", "")),
        num_rows=cast("int | None", card.get("num_rows")),
    )


def rounds_of(method: str, run: Path) -> list[RoundFacts]:
    """What each round of the run that made a judge sampled and kept, in order."""
    maker = _maker(run)
    found: list[RoundFacts] = []
    for folder in _rounds(maker) if maker else []:
        traces, rows = (_counts(folder / name) for name in ("traces.json", "rows.json"))
        if not traces and not rows:
            continue
        failed = [traces.get(kind) for kind in ("truncated", "unparseable", "refused", "error")]
        found.append(
            RoundFacts(
                method=method,
                name=folder.name,
                num_preferences=traces.get("preferences"),
                num_traces=traces.get("traces"),
                num_right=traces.get("right"),
                num_wrong=traces.get("wrong"),
                num_failed=None if None in failed else sum(count or 0 for count in failed),
                num_rows=rows.get("rows"),
            )
        )
    return found


def training_of(method: str, run: Path) -> list[TrainingCurve]:
    """How the loss went in each training of the run that made a judge, in order."""
    maker = _maker(run)
    if maker is None:
        return []
    curves: list[TrainingCurve] = []
    for folder in [maker, *_rounds(maker)]:
        checkpoint = folder / "checkpoint"
        lines = read_metrics(checkpoint / "metrics.jsonl")
        if lines:
            curves.append(
                TrainingCurve(
                    method=method,
                    name="training" if folder == maker else folder.name,
                    points=tuple(_points(lines)),
                    lengths=_lengths(checkpoint / "lengths.json"),
                )
            )
    return curves


def _points(lines: list[dict[str, float]]) -> list[TrainingPoint]:
    size = -(-len(lines) // NUM_POINTS)
    points: list[TrainingPoint] = []
    for start in range(0, len(lines), size):
        part = lines[start : start + size]
        points.append(
            TrainingPoint(
                step=int(part[-1]["step"]),
                loss=sum(line["train/loss"] for line in part) / len(part),
                grad_norm=sum(line["train/grad_norm"] for line in part) / len(part),
            )
        )
    return points


def _lengths(path: Path) -> TokenLengths | None:
    content = _read(path)
    if content is None:
        return None
    try:
        return TokenLengths(
            num_rows=int(content["rows"]),
            limit=int(content["max_length"]),
            **{part: _spread(content[part]["quantiles"]) for part in ("prompt", "reply", "total")},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: expected lengths as a training writes them, found others ({error!r}); "
            f"delete the run and start it again"
        ) from error


def _spread(quantiles: Mapping[str, int]) -> TokenSpread:
    return TokenSpread(
        median=int(quantiles["0.5"]), p99=int(quantiles["0.99"]), longest=int(quantiles["1"])
    )


def _maker(run: Path) -> Path | None:
    """The run that trained the judge: this one, or the one that its model lies in, if there is."""
    config = _config(run)
    judge = config.get("judge")
    if judge is None:
        return run if "training" in config else None
    model = Path(str(cast("dict[str, Any]", judge).get("model", "")))
    # A run, its checkpoint, or the checkpoint of one of its rounds.
    for folder in (model, *list(model.parents)[:2]):
        if (folder / "run.lock").exists() and "training" in _config(folder):
            return folder
    return None


def _rounds(run: Path) -> list[Path]:
    return sorted(run.glob("round-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))


def _card(model: Path) -> dict[str, Any]:
    try:
        return read_card(checkpoint_folder(str(model)))
    except ConfigError:  # a run that has not finished: there is no card yet
        return {}


def _config(run: Path) -> dict[str, Any]:
    path = run / "config.json"
    return read_run_config(path)["config"] if path.exists() and (run / "run.lock").exists() else {}


def _counts(path: Path) -> Mapping[str, int]:
    content = _read(path) or {}
    return {name: value for name, value in content.items() if isinstance(value, int)}


def _read(path: Path) -> Mapping[str, Any] | None:
    """The object in a file of the run; None if there is no such file."""
    try:
        return read_object(path)
    except FileNotFoundError:
        return None
    except DataError as error:
        raise StoreError(f"{error}; delete the run and start it again") from error
