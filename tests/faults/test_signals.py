"""Signals at any moment: what was done is kept, nothing is left running or lying about."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def members(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def restore() -> None:
    """As in a terminal, whoever runs the tests: a shell's background ignores Ctrl-C."""
    for number in CODES:
        signal.signal(number, signal.SIG_DFL)


def assert_gone(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while members(process.pid):
        assert time.monotonic() < deadline, "processes are left"
        time.sleep(0.02)


def assert_ended(process: subprocess.Popen[str], sent: signal.Signals) -> str:
    """Ended by the signal, as it is documented, without a word too many."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == CODES[sent], (process.returncode, said)
    assert "Traceback" not in said and "Error" not in said, said
    assert said.splitlines()[-1].endswith("; run the same command to go on"), said
    assert_gone(process)
    return said


@pytest.mark.fault(3, "SIGINT", "SIGTERM", "SIGHUP")
@pytest.mark.parametrize("sent", CODES, ids=lambda sent: sent.name)
@pytest.mark.parametrize(
    "command", ["judge", "label", pytest.param("evaluate", marks=pytest.mark.slow)]
)
def test_a_signal_keeps_what_was_answered_and_the_run_goes_on(
    command, sent, make_work, undisturbed, bytes_of, rows_of, assert_whole, answering, size
):
    whole = undisturbed(command)
    total = len(rows_of(whole))
    work = make_work(f"{command}-{sent.name}")
    draw = random.Random(f"{command} {sent}")
    answering.num_asked = 0
    for _ in range(size(1, 4)):
        at = answering.num_asked + draw.randrange(2, total // 4)
        process = work.start(*work.arguments(command), start_new_session=True, preexec_fn=restore)

        def send(number: int, process=process, at=at) -> None:
            if number == at:
                process.send_signal(sent)
                time.sleep(0.05)

        answering.on_asked = send
        assert_ended(process, sent)
        assert_whole(work.run)
    answering.on_asked = lambda number: None
    done = work.ended(*work.arguments(command))
    assert done.returncode == 0, done.stderr
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)
    # What was in flight is asked for again: at most eight requests at each signal.
    assert answering.num_asked <= total + 8 * size(1, 4)


@pytest.mark.fault(3, "SIGINT", "SIGTERM", "SIGHUP")
def test_a_signal_at_any_moment_leaves_a_run_that_goes_on(
    make_work, undisturbed, bytes_of, rows_of, assert_whole, size
):
    """Also while the program is being loaded, and at its very end."""
    whole = undisturbed("judge")
    work = make_work("any-moment")
    draw = random.Random()
    began = time.monotonic()
    assert work.ended(*work.arguments("judge")).returncode == 0
    seconds = time.monotonic() - began
    for number in range(size(4, 18)):
        sent = tuple(CODES)[number % 3]
        output = f"run-{number // 3}"
        process = work.start(
            *work.arguments("judge", output), start_new_session=True, preexec_fn=restore
        )
        time.sleep(draw.uniform(0.1, 0.9) * seconds)
        process.send_signal(sent)
        _, said = process.communicate(timeout=300)
        assert process.returncode in (0, CODES[sent], -sent), (process.returncode, said)
        assert "Traceback" not in said, said
        assert_gone(process)
        if (work.folder / output).exists() and process.returncode != -sent:
            assert_whole(work.folder / output)
    for number in range((size(4, 18) + 2) // 3):
        done = work.ended(*work.arguments("judge", f"run-{number}"))
        assert done.returncode == 0, done.stderr
        run = work.folder / f"run-{number}"
        assert rows_of(run) == rows_of(whole)
        assert (run / "verdicts.jsonl").read_bytes() == bytes_of(whole)["verdicts.jsonl"]


@pytest.mark.fault(3, "SIGINT twice")
def test_a_second_signal_ends_it_at_once_and_the_run_goes_on(
    make_work, undisturbed, bytes_of, rows_of, answering, size
):
    whole = undisturbed("judge")
    work = make_work("twice")
    for number in range(size(2, 6)):
        process = work.start(*work.arguments("judge"), start_new_session=True, preexec_fn=restore)
        first, second = ((signal.SIGINT,) * 2, (signal.SIGTERM,) * 2)[number % 2]

        def send(
            number: int, process=process, first=first, second=second, at=answering.num_asked + 3
        ) -> None:
            if number == at:
                process.send_signal(first)
                time.sleep(0.002 * number)
                process.send_signal(second)

        answering.on_asked = send
        _, said = process.communicate(timeout=300)
        # 130 as a shell says it, whichever of the two was quicker.
        assert process.returncode in (CODES[first], -second), (process.returncode, said)
        assert "Traceback" not in said, said
        assert_gone(process)
    answering.on_asked = lambda number: None
    done = work.ended(*work.arguments("judge"))
    assert done.returncode == 0, done.stderr
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.fault(3, "SIGHUP")
def test_under_nohup_a_closed_terminal_ends_nothing(make_work, undisturbed, bytes_of, answering):
    work = make_work("nohup")
    process = work.start(
        *work.arguments("judge"), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    answering.on_asked = lambda number: process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert bytes_of(work.run) == bytes_of(undisturbed("judge"))


@pytest.mark.fault(3, "SIGPIPE")
def test_output_that_is_read_no_further_ends_nothing(make_work, undisturbed, bytes_of):
    """As in `jurist judge ... | head -0`."""
    work = make_work("piped")
    read, write = os.pipe()
    os.close(read)
    done = work.ended(*work.arguments("judge"), stdout=write)
    os.close(write)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert bytes_of(work.run) == bytes_of(undisturbed("judge"))


@pytest.mark.fault(3, "SIGPIPE")
def test_errors_that_nobody_reads_end_nothing(make_work, undisturbed, bytes_of):
    work = make_work("piped-errors")
    read, write = os.pipe()
    os.close(read)
    done = work.ended(*work.arguments("judge"), stderr=write)
    os.close(write)
    assert done.returncode == 0
    assert bytes_of(work.run) == bytes_of(undisturbed("judge"))
