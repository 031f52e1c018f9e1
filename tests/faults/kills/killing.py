"""Runs that are killed again and again, and what is left of them in the end."""

import json
import random
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from forking import Zygote

UNLIKE = ("timings.json", "timings.jsonl", "environment.json", "run.lock")
"""Clocks, machines and processes."""

SHOW_TIMES = ("results.json", "report.html", "report.md")
"""What shows the times of the run's stages: the same bytes only where those are the same."""


@dataclass(frozen=True)
class Phase:
    """A part of a command, by what appears in the run's directory where it begins and ends."""

    part: str
    after: str
    until: str = ""
    """Empty: the end of the process."""

    def is_in(self, run: Path) -> bool:
        """Whether a run has come to this phase, and not through it."""
        return (run / self.after).exists() and not (self.until and (run / self.until).exists())


class Killing:
    """One command: run once as it goes, then killed in each of its phases."""

    def __init__(self, zygote: Zygote, arguments: Iterable[object], folder: Path) -> None:
        """Run it once.

        Args:
            zygote: What starts and kills.
            arguments: Of `jurist`, but for the run's directory.
            folder: Where to.
        """
        self.zygote = zygote
        self.arguments = [*map(str, arguments), "--output", "run"]
        self.draw = random.Random(" ".join(self.arguments[:1]))
        self.folder = folder
        self.whole = folder / "whole"
        self.whole.mkdir(parents=True)
        self.trace = self.obey(self.whole)
        self.at_start = folder / "at-start"
        self.at_start.mkdir()
        self.num_kills = 0
        self.num_lost = 0
        """Answers that a killed process had kept, and that were not there, or others, later."""

        self.num_differing = 0
        """Bytes of all runs that were killed and ended."""

        self.faults: list[str] = []
        """What those bytes are of, and how to come by them."""

        self.num_same_times = 0
        """Runs whose reports were compared byte by byte, since they show the same times."""

        self.recovery_seconds: list[float] = []

    def obey(self, folder: Path, **order: object) -> dict[str, Any]:
        """Run the command in a folder, and kill it if so ordered."""
        log = folder.with_name(f"{folder.name}.log")
        if order.get("seconds") is None:
            order |= {"seconds": None, "changes": 10**9}
        answer = self.zygote.obey(arguments=self.arguments, folder=folder, log=log, **order)
        assert answer["status"] == (-9 if answer["killed"] else 0), log.read_text()[-3000:]
        return answer

    def kill(self, phase: Phase, num: int) -> None:
        """Kill it so often in a phase, in directories that all come to their end.

        Phases are to be killed in the order that they come in.
        """
        self._begin(phase)
        num_in_phase = 0
        for life in range(10 * num):
            if num_in_phase >= num:
                return
            folder = self.folder / phase.part / str(life) / self.whole.name
            shutil.copytree(self.at_start, folder)
            kept = stored(folder / "run")
            instants: list[object] = []
            killed = True
            for _ in range(min(self.draw.randint(3, 14), num)):
                instants.append(instant := self._instant(phase))
                killed = self.obey(folder, **instant)["killed"]
                if not killed:
                    break
                self.num_kills += 1
                num_in_phase += phase.is_in(folder / "run")
                kept = self._still_kept(folder, kept)
            if killed:
                answer = self.obey(folder)
                self.recovery_seconds.append(answer["working_seconds"] or answer["seconds"])
            self._still_kept(folder, kept)
            found = differences(self.whole / "run", folder / "run")
            self.num_same_times += same(*(at / "run/timings.json" for at in (self.whole, folder)))
            self.num_differing += sum(found.values())
            self.faults += [f"{name} after kills at {instants}" for name in found]
            shutil.rmtree(folder)
        raise AssertionError(f"of {num} kills that were wanted, {num_in_phase} came in {phase}")

    def _begin(self, phase: Phase) -> None:
        """Bring the directory that others are copied from to where a phase begins."""
        after, until = f"run/{phase.after}", f"run/{phase.until}"
        self.obey(self.at_start, after=after, changes=1, seconds=0.0)
        self.num_kills += 1
        self._take_over_times()
        changes = self.trace["changes"]
        self.began = next(seconds for seconds, name in changes if name == after)
        ends = [seconds for seconds, name in changes if name == until and seconds > self.began]
        self.ended = min(ends, default=self.trace["seconds"])
        self.num_changes = sum(self.began <= seconds <= self.ended for seconds, _ in changes)

    def _take_over_times(self) -> None:
        """Let stages that are done have taken what they took in the uninterrupted run.

        Where all stages are, reports are then the same to the byte: times stay as they are noted.
        """
        path = self.at_start / "run" / "timings.json"
        if path.exists():
            took = json.loads((self.whole / "run" / "timings.json").read_text())
            done = json.loads(path.read_text())
            path.write_text(json.dumps({stage: took[stage] for stage in done}, indent=2) + "\n")

    def _instant(self, phase: Phase) -> dict[str, object]:
        """An instant to kill at: right before a change, amid one, any time, or in the start."""
        how = self.draw.choice(("before a change", "amid a change", "any time", "the start"))
        until_working = self.trace["working_seconds"]
        after = f"run/{phase.after}"
        if how == "the start":
            return {"seconds": until_working * 10 ** self.draw.uniform(-2, 0)}
        if how == "any time":
            longest = self.ended - self.began + until_working
            return {"after": after, "seconds": self.draw.uniform(0, longest)}
        changes = self.draw.randrange(self.num_changes + 4)
        amid = 10 ** self.draw.uniform(-5, -2.3) if how == "amid a change" else 0.0
        return {"after": after, "changes": changes, "seconds": amid}

    def _still_kept(self, folder: Path, before: dict[bytes, object]) -> dict[bytes, object]:
        now = stored(folder / "run")
        self.num_lost += sum(now.get(key) != row for key, row in before.items())
        return now


def stored(run: Path) -> dict[bytes, object]:
    """Completions and scores that a run's store has committed. No process may hold it."""
    path = run / "completions.sqlite"
    found: dict[bytes, object] = {}
    if not path.exists():
        return found
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master")}
        for table in tables & {"completions", "scores"}:
            found |= {row[0]: row for row in store.execute(f"SELECT * FROM {table}")}
    return found


def differences(whole: Path, run: Path) -> dict[str, int]:
    """Bytes by which a run differs from another: by file or folder, at least one for each."""
    found = {f"{name}, which one has": 1 for name in sorted(names(whole) ^ names(run))}
    same_times = same(whole / "timings.json", run / "timings.json")
    for name in sorted(names(whole) & names(run)):
        one, other = whole / name, run / name
        if one.is_dir() or one.name in UNLIKE or ".sqlite" in one.name:
            continue
        if one.name == "results.json" and not same_times:
            found[name] = int(timeless(one) != timeless(other))
        elif one.name not in SHOW_TIMES or same_times:
            found[name] = num_differing(one.read_bytes(), other.read_bytes())
    rows, others = stored(whole), stored(run)
    found["the store"] = sum(rows.get(key) != others.get(key) for key in rows | others)
    return {name: num for name, num in found.items() if num}


def names(run: Path) -> set[str]:
    """Every file and folder beneath a run's directory."""
    return {
        str(path.relative_to(run))
        for path in run.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }


def same(one: Path, other: Path) -> bool:
    """Whether two files are there, with the same bytes."""
    return one.exists() and other.exists() and one.read_bytes() == other.read_bytes()


def num_differing(one: bytes, other: bytes) -> int:
    """Places at which two contents differ."""
    return 0 if one == other else sum(a != b for a, b in zip_longest(one, other))


def timeless(path: Path) -> object:
    """Results without the times that stages took."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if not k.endswith("seconds")}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return plain(json.loads(path.read_text("utf-8")))
