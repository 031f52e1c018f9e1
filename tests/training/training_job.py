"""Trains a tiny DPO judge, for tests that need it in processes of its own.

python training_job.py train MODEL ROWS OUTPUT
python training_job.py kill MODEL ROWS OUTPUT    # kill it at the moments read from stdin, then end

A moment is a number of steps written and the part of one step that still runs after them. Parts,
not seconds: a fast machine trains all twenty steps in less time than a slow one starts in.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from jurist.rationales import PairRow, read_rows
from jurist.training import PairLossConfig, TrainingConfig, train_pairs

CONFIG = TrainingConfig(learning_rate=5e-4, epochs=5, batch_size=6, checkpoint_every=2)


def train(model: str, rows: str, output: Path) -> None:
    train_pairs(
        model,
        read_rows(Path(rows), PairRow),
        CONFIG,
        reference=model,
        loss=PairLossConfig(),
        seed=3,
        output=output,
        card={"method": "star-dpo", "kind": "reasoning"},
    )


def num_lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def start(model: str, rows: str, output: Path) -> int:
    child = os.fork()
    if child == 0:
        train(model, rows, output)
        os._exit(0)
    return child


def seconds_per_step(model: str, rows: str) -> float:
    """What one of the twenty steps takes here, its share of start and end included."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        os.waitpid(start(model, rows, Path(folder) / "model"), 0)
        return (time.monotonic() - begun) / 20


def kill_after(lines: int, seconds: float, model: str, rows: str, output: Path) -> bool:
    """Train in a child and kill it once its metrics have so many lines, and some time after.

    Returns whether the kill came before the end. If not, the next child begins from nothing.
    """
    child = start(model, rows, output)
    metrics = output.with_name(f"{output.name}.training") / "metrics.jsonl"
    while (
        num_lines(metrics) < lines
        and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    ):
        time.sleep(0.0005)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    if not killed:
        shutil.rmtree(output)
    return killed


if __name__ == "__main__":
    mode, model, rows, output = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    if mode == "kill":
        step = seconds_per_step(model, rows)
        killed = 0
        for line in sys.stdin:
            lines, part = line.split()
            killed += kill_after(int(lines), float(part) * step, model, rows, output)
        sys.stdout.write(f"{killed}\n")
    train(model, rows, output)
