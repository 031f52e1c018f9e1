"""Worker processes: one engine to everyone above, whatever becomes of a process."""

import math
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from jurist.engines import Cached, ScriptedEngine
from jurist.engines.crew import Spread
from jurist.engines.workers import Processes, open_workers, share_of_threads
from jurist.errors import ConfigError, DataError, EngineError
from jurist.formats import Terse
from jurist.types import Sampling, StoppingRule, user
from jurist.worlds import BASE, preferences

PROMPTS = [user(f"prompt {number} " + "long " * (number % 7)) for number in range(40)]
SAMPLING = Sampling(num_samples=3, max_tokens=10)


@pytest.fixture
def engines(worker_engines):
    return worker_engines


def generated(engine: Spread | ScriptedEngine, **changes):
    return engine.generate(PROMPTS, SAMPLING, **changes)


@pytest.mark.parametrize(("num", "job_size"), [(1, 128), (2, 128), (2, 1), (3, 7)])
def test_neither_their_number_nor_the_cut_changes_an_answer(engines, num, job_size):
    alone = engines.scripted()
    with open_workers(engines.scripted, num, job_size=job_size) as workers:
        assert generated(workers) == generated(alone)
        texts = [["A", "B"]] * len(PROMPTS)
        assert workers.score(PROMPTS, texts) == alone.score(PROMPTS, texts)
        assert workers.fingerprint == alone.fingerprint


@pytest.mark.slow
def test_a_model_says_the_same_to_the_bit_with_one_worker_and_with_two():
    from jurist.engines.transformers import TransformersEngine

    form = Terse(seed=0)
    rows = preferences("in_distribution", "test", num=12, seed=0)
    prompts = [form.render(row.shown(0).comparison) for row in rows]
    sampling = Sampling(num_samples=4, max_tokens=24, seed=3)
    make = partial(TransformersEngine.load, BASE)
    found = []
    for num in (1, 2):
        with open_workers(make, num, threads=1, job_size=16) as workers:
            found.append(workers.generate(prompts, sampling))
            found.append(workers.score(prompts, [["A", "B"]] * len(prompts)))
    assert found[:2] == found[2:]
    alone = make()
    assert [[reply.text for reply in replies] for replies in alone.generate(prompts, sampling)] == [
        [reply.text for reply in replies] for replies in found[0]
    ]


def test_all_of_them_work(engines):
    with open_workers(engines.says_who, 2, threads=1, job_size=1) as workers:
        said = {reply.text for replies in generated(workers) for reply in replies}
    assert len(said) == 2
    assert all(text.endswith(" 1") for text in said)


class TestStoppingRule:
    def test_is_asked_here_of_the_samples_there(self, engines):
        asked = []

        def more(samples) -> int:
            asked.append((os.getpid(), [len(have) for have in samples]))
            return int(len(samples[0]) < 2)

        with open_workers(engines.scripted, 2, job_size=6) as workers:
            lists = generated(workers, rule=StoppingRule(more, 2))
        assert [len(replies) for replies in lists] == [2] * len(PROMPTS)
        assert {pid for pid, _ in asked} == {os.getpid()}
        # By each worker of each group; and once here, for the size of jobs.
        counts = Counter(lengths[0] for _, lengths in asked)
        assert counts == {0: len(PROMPTS) // 2 + 1, 1: len(PROMPTS) // 2, 2: len(PROMPTS) // 2}
        assert all(one == other for _, (one, other) in asked)

    def test_what_it_raises_ends_the_call_and_the_next_is_answered(self, engines):
        def more(samples) -> int:
            if samples[0]:
                raise RuntimeError("no opinion")
            return 1

        with open_workers(engines.scripted, 2, job_size=6) as workers:
            with pytest.raises(RuntimeError, match="no opinion"):
                generated(workers, rule=StoppingRule(more))
            assert generated(workers) == generated(engines.scripted())


class TestDeath:
    @pytest.mark.fault(18, "killed worker")
    def test_a_worker_that_dies_is_replaced_and_its_work_done_again(
        self, engines, tmp_path, caplog
    ):
        asked = [*PROMPTS[:20], user("deadly"), *PROMPTS[20:]]
        make = partial(engines.deadly, tmp_path / "marker", once=True)
        with open_workers(make, 2, job_size=9) as workers:
            lists = workers.generate(asked, SAMPLING)
        assert lists == engines.scripted().generate(asked, SAMPLING)
        assert "a worker died (SIGKILL, as the system does when memory is short)" in caplog.text

    @pytest.mark.fault(18, "killed worker")
    def test_killed_from_outside_it_is_noticed_too(self, engines, tmp_path):
        processes = Processes(engines.scripted, 2)
        with Spread(processes, job_size=3) as workers:
            for victim in processes.process_ids:
                os.kill(victim, signal.SIGKILL)
            assert generated(workers) == generated(engines.scripted())
            assert len(processes.process_ids) == 2

    @pytest.mark.fault(18, "killed worker")
    @pytest.mark.parametrize("job_size", [3, 30])
    def test_work_that_kills_whoever_does_it_is_failed_and_nothing_else_is(
        self, engines, tmp_path, caplog, job_size
    ):
        asked = [*PROMPTS[:20], user("deadly " + "long " * 5), *PROMPTS[20:]]
        make = partial(engines.deadly, tmp_path / "marker", once=False)
        store = tmp_path / "store.sqlite"
        with (
            open_workers(make, 2, job_size=job_size) as workers,
            Cached(workers, store) as cached,
        ):
            lists = cached.generate(asked, SAMPLING)
        expected = engines.scripted().generate(asked, SAMPLING)
        assert lists[:20] + lists[21:] == expected[:20] + expected[21:]
        assert [reply.finish_reason for reply in lists[20]] == ["error"] * 3
        assert "a worker died over it (SIGKILL" in lists[20][0].text
        assert caplog.text.count("a worker died (SIGKILL") == (2 if job_size == 3 else 3)
        # What failed is asked again, the rest never.
        with sqlite3.connect(store) as kept:
            assert kept.execute("SELECT count(*) FROM completions").fetchone() == (3 * 40,)

    @pytest.mark.fault(18, "killed worker")
    def test_a_group_that_kills_whoever_does_it_is_failed_as_one(self, engines, tmp_path):
        asked = [*PROMPTS[:5], user("deadly"), *PROMPTS[5:9]]
        make = partial(engines.deadly, tmp_path / "marker", once=False)
        rule = StoppingRule(lambda samples: int(len(samples[0]) < 2), 2)
        with open_workers(make, 1, job_size=30) as workers:
            lists = workers.generate(asked, SAMPLING, rule)
        assert [len(replies) for replies in lists] == [2] * 10
        failed = [replies[0].finish_reason == "error" for replies in lists]
        assert failed == [False] * 4 + [True] * 2 + [False] * 4

    @pytest.mark.fault(18, "killed worker")
    def test_a_score_that_kills_whoever_does_it_is_none(self, engines, tmp_path):
        asked = [*PROMPTS[:5], user("deadly"), *PROMPTS[5:9]]
        make = partial(engines.deadly, tmp_path / "marker", once=False)
        texts = [["A", "BB"]] * 10
        with open_workers(make, 2, job_size=6) as workers:
            found = workers.score(asked, texts)
        expected = engines.scripted().score(asked, texts)
        assert found[:5] + found[6:] == expected[:5] + expected[6:]
        assert [math.isnan(logp) for logp in found[5]] == [True, True]

    @pytest.mark.fault(18, "killed worker")
    def test_process_after_process_stops_the_run_and_the_rest_is_kept(self, engines, tmp_path):
        asked = [*PROMPTS, *(user("deadly") for _ in range(9))]
        asked = [user(f"{prompt[0].content} {n}") for n, prompt in enumerate(asked)]
        make = partial(engines.deadly, tmp_path / "marker", once=False)
        store = tmp_path / "store.sqlite"
        with (
            open_workers(make, 1, job_size=3) as workers,
            Cached(workers, store, chunk_size=3 * 20) as cached,
            pytest.raises(EngineError, match=r"died \(SIGKILL.*1 prompts, like 4 before.*fewer"),
        ):
            cached.generate(asked, SAMPLING)
        with sqlite3.connect(store) as kept:
            assert kept.execute("SELECT count(*) FROM completions").fetchone() == (3 * 40,)

    @pytest.mark.fault(18, "killed worker")
    def test_one_that_cannot_take_its_place_is_refused_however_often_it_is_asked(
        self, engines, tmp_path
    ):
        weights = tmp_path / "weights"
        weights.write_text("as they were")
        processes = Processes(partial(engines.named_by, weights), 1)
        with Spread(processes) as workers:
            os.kill(processes.process_ids[0], signal.SIGKILL)
            weights.write_text("others")
            for _ in range(2):
                with pytest.raises(EngineError, match="two workers made unlike engines"):
                    generated(workers)
            weights.write_text("as they were")
            assert generated(workers) == generated(engines.scripted())

    def test_a_signal_without_a_name_is_told_by_its_number(self, engines, caplog):
        nameless = signal.SIGRTMIN + 6
        processes = Processes(engines.scripted, 1)
        with Spread(processes) as workers:
            os.kill(processes.process_ids[0], nameless)
            assert generated(workers) == generated(engines.scripted())
        assert f"a worker died (signal {nameless})" in caplog.text

    @pytest.mark.fault(18, "hung worker")
    @pytest.mark.parametrize("when", ["idle", "at work"])
    def test_a_worker_that_is_stopped_is_replaced(self, engines, tmp_path, caplog, when):
        processes = Processes(partial(engines.slow, when), 2, silent_seconds=4.0)
        with Spread(processes, job_size=3) as workers:
            stopped = processes.process_ids[1]
            wait_seconds = 0.3 if when == "at work" else 0.0
            stop = threading.Timer(wait_seconds, os.kill, (stopped, signal.SIGSTOP))
            stop.start()
            if not wait_seconds:
                stop.join()
            assert generated(workers) == generated(engines.scripted())
            assert stopped not in processes.process_ids
            assert not is_alive(stopped)
        assert f"stopped: nothing was heard of process {stopped}" in caplog.text

    @pytest.mark.fault(18, "hung worker")
    def test_a_worker_that_is_stopped_while_it_loads_ends_the_opening(self, engines):
        with pytest.raises(EngineError, match=r"before it was ready .*nothing was heard"):
            open_workers(engines.stops_itself, 1, silent_seconds=2.0)

    def test_a_job_that_takes_longer_than_silence_may_is_waited_for(self, engines):
        with open_workers(partial(engines.slow, "at work"), 1, silent_seconds=3.0) as workers:
            assert workers.generate([user("slow")], Sampling(max_tokens=4))[0][0].text == "at last"

    def test_before_it_was_ready_it_stops_the_run(self, engines):
        with pytest.raises(EngineError, match=r"before it was ready \(exit status 7\)"):
            open_workers(engines.dead_at_once, 2)

    def test_the_workers_of_a_process_that_is_killed_end_by_themselves(self, engines):
        script = textwrap.dedent(
            """
            import sys, time
            sys.path.insert(0, sys.argv[1])
            import worker_engines
            from jurist.engines.workers import Processes
            processes = Processes(worker_engines.scripted, 2)  # Kept: they end when it goes.
            print(*processes.process_ids, flush=True)
            time.sleep(600)
            """
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        ) as process:
            assert process.stdout is not None
            workers = [int(number) for number in process.stdout.readline().split()]
            alive = [is_alive(worker) for worker in workers]
            process.kill()
        assert alive == [True, True]
        for worker in workers:
            while is_alive(worker):  # ends by itself, or this test by its time limit
                time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        # A process that ended, and that nobody waited for yet, is a zombie.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class TestErrors:
    def test_of_the_engine_are_raised_here_and_the_next_call_is_answered(self, engines):
        with open_workers(engines.refusing, 2, job_size=6) as workers:
            with pytest.raises(DataError, match="does not fit the model's context"):
                workers.generate([*PROMPTS, user("too long")], SAMPLING)
            with pytest.raises(ZeroDivisionError, match="by nothing") as error:
                workers.generate([user("bug")], SAMPLING)
            assert "worker_engines.py" in "".join(error.value.__notes__)
            assert generated(workers) == generated(engines.refusing())

    def test_of_its_making_are_raised_here(self, engines):
        with pytest.raises(ConfigError, match="no such model: nowhere"):
            open_workers(engines.missing, 2)

    def test_engines_that_are_not_the_same_are_refused(self, engines):
        with pytest.raises(EngineError, match="two workers made unlike engines"):
            open_workers(engines.named_after_itself, 2)

    def test_a_factory_that_cannot_be_sent_is_refused(self):
        with pytest.raises(ConfigError, match="a function that can be imported"):
            open_workers(lambda: ScriptedEngine(lambda *_: ""), 2)

    def test_numbers_are_checked(self, engines):
        with pytest.raises(ValueError, match="num must be at least 1"):
            open_workers(engines.scripted, 0)
        with pytest.raises(ValueError, match="job_size must be at least 1"):
            open_workers(engines.scripted, 1, job_size=0)


@pytest.mark.parametrize(
    ("said", "num", "share"),
    [("", 1, 8), ("", 3, 2), ("", 99, 1), ("1", 2, 1), ("6", 2, 4), ("0", 2, 4), ("x", 2, 4)],
)
def test_threads_fill_the_cores_and_no_more(monkeypatch, said, num, share):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert share_of_threads(num) == share
