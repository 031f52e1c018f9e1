"""Memory that runs out, and processes that are forked while a judge is open."""

import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.loaded import LoadedJudge
from jurist.worlds import BASE

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""


def least_mib(code: str) -> int:
    """Address space that a program takes."""
    script = f"{code}\nprint(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("VmPeak"))
    return int(line.split()[1]) // 1024


@pytest.mark.slow
@pytest.mark.fault(18, "out of memory")
def test_memory_that_runs_out_is_told_and_with_more_the_run_goes_on(
    make_work, assert_told, assert_whole, size
):
    """At every stage: while libraries are loaded, while the model is, and while it judges."""
    work = make_work("short")
    arguments = ("judge", "--model", BASE, "--pairs", "pairs.jsonl", "--output", "run")
    arguments += ("--votes", "4", "--max-tokens", "48")
    began = least_mib("import jurist.cli")
    loaded = least_mib("import torch, transformers, jurist.engines.transformers")
    steps = size(2, 7)
    told = 0
    for step in range(steps):
        limit = (began + 80 + (loaded + 60 - began) * step // max(steps - 1, 1)) * 2**20
        done = work.ended(
            *arguments,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        if done.returncode == 4:
            assert_told(done, 4, "out of memory", "--workers")
            assert_whole(work.run)
            told += 1
        elif done.returncode < 0 or "cannot allocate memory for thread-local" in done.stderr:
            # Some libraries end the process over it, as the system would; libc does with 127.
            assert done.returncode == 127 or "bad_alloc" in done.stderr, (
                limit,
                done.stderr[-3000:],
            )
        else:
            assert done.returncode == 0, (limit, done.returncode, done.stderr[-3000:])
    assert told >= steps // 2
    done = work.ended(*arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.fault(18, "out of memory")
def test_data_that_do_not_fit_into_memory_are_told(make_work, assert_told):
    work = make_work("large")
    rows = (work.folder / "pairs.jsonl").read_text().splitlines()
    long = rows[0].replace('"chosen"', f'"padding": "{"x" * 1000}", "chosen"')
    with (work.folder / "pairs.jsonl").open("w") as file:
        for number in range(40_000):
            file.write(long.replace('"id": "', f'"id": "{number} ') + "\n")
    most = (least_mib("import jurist.cli, jurist.recipes.judge") + 30) * 2**20
    done = work.ended(
        *work.arguments("judge"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )
    assert_told(done, 4, "out of memory")


@pytest.mark.fault(18, "fork")
@pytest.mark.parametrize("kept", [False, True])
def test_a_judge_that_is_open_can_be_forked(answering, tmp_path, kept):
    config = JudgeConfig(model="m", base_url=answering.url, voting=VotingConfig(votes=2))
    store = tmp_path / "store.sqlite" if kept else None
    with LoadedJudge(config, store=store) as judge:
        expected = judge.compare("Q", "one", "two")
        child = os.fork()
        if child == 0:
            signal.alarm(300)  # ends it, should it wait for ever
            try:
                found = judge.compare("Q", "one", "two")
                judge.close()
                os._exit(0 if found == expected else 1)
            except BaseException as error:  # noqa: BLE001 - or it would go on as the tests do
                # One file has one writer, and the parent is it.
                os._exit(3 if f"in use by process {os.getppid()}" in str(error) else 2)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == (3 if kept else 0)
        # And the parent goes on, with the file that is still its own.
        asked = answering.num_asked
        assert judge.compare("Q", "one", "two") == expected
        assert answering.num_asked == asked


@pytest.mark.slow
@pytest.mark.fault(18, "fork")
def test_a_model_that_is_open_can_be_forked():
    """As a loader of data forks: the tokenizer's threads and the model's are not in the child."""
    script = textwrap.dedent(
        """
        import os, signal, sys
        import jurist
        judge = jurist.load_judge(sys.argv[1], votes=2, max_tokens=24)
        expected = judge.compare("1 + 1", "2", "3")
        child = os.fork()
        if child == 0:
            signal.alarm(300)
            os._exit(0 if judge.compare("1 + 1", "2", "3") == expected else 1)
        _, status = os.waitpid(child, 0)
        assert judge.compare("1 + 1", "2", "3") == expected
        sys.exit(os.waitstatus_to_exitcode(status) != 0)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(BASE)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "2",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
    )
    assert done.returncode == 0, done.stderr
