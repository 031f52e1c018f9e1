"""Signals to commands that hold a model: training, workers, a server."""

import json
import random
import signal
import subprocess
import time
import urllib.request

import pytest
from safetensors import safe_open

from jurist.data import write_preferences
from jurist.worlds import BASE, preferences

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

TRAIN = [
    *("bradley-terry", "--model", BASE, "--train", "train.jsonl", "--test", "pairs.jsonl"),
    *("--batch-size", "2", "--epochs", "2", "--checkpoint-every", "1", "--output", "run"),
]
SENT = {signal.SIGTERM: 143, signal.SIGINT: 130}


def restore() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def children(session: int) -> list[str]:
    """What runs in a session."""
    listed = subprocess.run(
        ["ps", "-o", "stat=,args=", "-s", str(session)], capture_output=True, text=True
    )
    return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


def wait_until(true, process: subprocess.Popen[str]) -> None:
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def assert_gone(session: int) -> None:
    deadline = time.monotonic() + 200
    while left := children(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.fault(3, "SIGINT", "SIGTERM")
def test_a_training_that_is_ended_by_a_signal_ends_in_the_same_bytes(
    make_work, forked, bytes_of, assert_whole, size
):
    whole, work = make_work("whole"), make_work("ended")
    for one in (whole, work):
        pairs = preferences("in_distribution", "train", num=12, seed=0)
        write_preferences(one.folder / "train.jsonl", pairs)
    done = forked(whole.folder, *TRAIN)
    assert done.returncode == 0, done.stderr
    draw = random.Random(1)
    codes: list[int] = []
    for number in range(size(1, 6)):
        sent, code = list(SENT.items())[number % 2]
        # From its first files on: what comes in the interpreter's own start, Python answers itself.
        when = {"changes": 3, "seconds": draw.uniform(0, done.args["seconds"] / 2)}
        ended = forked(work.folder, *TRAIN, **when, signal=sent)
        assert ended.returncode in (0, code), (ended.returncode, ended.stderr)
        assert "Traceback" not in ended.stderr, ended.stderr
        assert_whole(work.run)
        assert_gone(ended.args["process"])
        codes.append(ended.returncode)
    assert any(codes), "none was ended before it was done"
    done = forked(work.folder, *TRAIN)
    assert done.returncode == 0, done.stderr
    found, wanted = bytes_of(work.run), bytes_of(whole.run)
    # The manifest holds the digest of nothing that differs; only of its mention of times.
    assert found == wanted
    with safe_open(work.run / "checkpoint" / "model.safetensors", "np") as weights:
        assert list(weights.keys())


@pytest.mark.slow
@pytest.mark.fault(3, "SIGINT", "SIGTERM")
def test_workers_end_with_the_process_that_started_them(make_work, size):
    for sent, code in list(SENT.items())[: size(1, 2)]:
        work = make_work(f"workers-{code}")
        process = work.start(
            *("judge", "--model", BASE, "--pairs", "pairs.jsonl", "--workers", "2"),
            *("--votes", "64", "--output", "run"),
            start_new_session=True,
            preexec_fn=restore,
        )
        wait_until(
            lambda process=process: (
                sum("worker_process" in line for line in children(process.pid)) == 2
            ),
            process,
        )
        wait_until((work.run / "completions.sqlite").exists, process)
        process.send_signal(sent)
        _, said = process.communicate(timeout=300)
        assert process.returncode == code, said
        assert "Traceback" not in said, said
        assert_gone(process.pid)


@pytest.mark.fault(3, "SIGINT", "SIGTERM", "SIGHUP")
@pytest.mark.parametrize(
    ("sent", "code"), [*SENT.items(), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGINT", "SIGHUP"]
)
def test_a_server_ends_and_leaves_nothing(make_work, answering, sent, code):
    pytest.importorskip("uvicorn")
    work = make_work(f"server-{code}")
    process = work.start(
        *("serve", "--model", "m", "--base-url", answering.url, "--port", "0"),
        *("--store", "store.sqlite", "--votes", "1"),
        start_new_session=True,
        preexec_fn=restore,
    )
    assert process.stderr is not None
    told = process.stderr.readline()
    url = told.partition(" at ")[2].split()[0]
    body = json.dumps({"prompt": "Q", "first": "one", "second": "two"}).encode()
    request = urllib.request.Request(f"{url}/v1/judge", body, {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=200).read()
    except urllib.error.HTTPError as error:
        assert error.code == 422, error.read()
    process.send_signal(sent)
    _, said = process.communicate(timeout=300)
    assert process.returncode == code, said
    assert "Traceback" not in said, said
    assert_gone(process.pid)
    assert not [*work.folder.glob("*.tmp"), *work.folder.glob("*-wal")]
