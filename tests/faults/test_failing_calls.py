"""The system's calls fail in the middle of writing: the older file stays, and nothing beside it."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

CALLS = ("fsync", "rename", "write")
ONE_CALL = ["fsync", *(pytest.param(call, marks=pytest.mark.slow) for call in CALLS[1:])]


@pytest.fixture(scope="session")
def failing(tmp_path_factory) -> Path:
    """The library that has calls fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("calls that fail need a C compiler")
    library = tmp_path_factory.mktemp("failing") / "failing.so"
    source = Path(__file__).with_name("failing.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


@pytest.fixture
def injected(failing):
    """The environment of a program whose calls fail."""

    def settings(call: str, path: str, number: int = errno.EIO, since: int = 0) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(failing),
            "FAIL_CALL": call,
            "FAIL_PATH": path,
            "FAIL_ERRNO": str(number),
            "FAIL_FROM": str(since),
        }

    return settings


# What `rename` gives a name to; the store renames once, when it is made.
STAGES = {
    "fsync": ("run/.config.json", "run/judgements/.pairs.jsonl.gz", "run/.labels.json", "run/."),
    "rename": ("run/config.json", "run/completions.sqlite", "run/labelled.jsonl", "run/labels"),
    "write": ("run/.config.json", "run/completions.sqlite-wal", "run/.labelled-trl", "run/.labels"),
}


@pytest.mark.fault(5, "fsync", "rename", "write")
@pytest.mark.parametrize("call", ONE_CALL)
def test_a_call_that_fails_is_told_and_the_run_goes_on(
    call, make_work, injected, undisturbed, bytes_of, rows_of, assert_told, assert_whole, size
):
    whole = undisturbed("label")
    work = make_work(f"label-{call}")
    for path in STAGES[call][size(1, 0) :]:
        work.environment = injected(call, path)
        done = work.ended(*work.arguments("label"))
        # Of a library that only says that it failed, what to do is about the disk.
        assert_told(done, 5, "run", "the disk fails")
        if work.run.exists():
            assert_whole(work.run)
    work.environment = {}
    done = work.ended(*work.arguments("label"))
    assert done.returncode == 0, done.stderr
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.fault(5, "fsync", "rename", "write")
@pytest.mark.parametrize("call", CALLS)
def test_the_older_file_is_intact(call, make_work, injected, bytes_of, assert_told, assert_whole):
    """A run that has ended and is run again writes its verdicts once more."""
    work = make_work("again")
    assert work.ended(*work.arguments("judge")).returncode == 0
    before = bytes_of(work.run)
    path = "run/verdicts.jsonl" if call == "rename" else "run/.verdicts.jsonl"
    work.environment = injected(call, path, errno.ENOSPC)
    done = work.ended(*work.arguments("judge"))
    assert_told(done, 5, "verdicts.jsonl: cannot write: No space left", "make room")
    assert bytes_of(work.run) == before
    assert_whole(work.run)


TWO_CHECKPOINTS = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    from jurist.errors import StoreError
    from jurist.training.checkpoint import Checkpoint, newest_whole, write_checkpoint
    work, step = Path(sys.argv[1]), int(sys.argv[2])
    tensors = {"w": torch.full((50, 50), float(step))}
    try:
        write_checkpoint(
            work, Checkpoint(step=step, weights=tensors, optimizer={"o": tensors["w"]}), inputs={}
        )
    except StoreError as error:
        print(error)
        sys.exit(5)
    print(newest_whole(work).name)
    """
)


@pytest.mark.fault(5, "fsync", "rename", "write")
@pytest.mark.parametrize("call", ONE_CALL)
def test_the_older_checkpoint_is_intact(call, injected, tmp_path, size):
    def written(step: int, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", TWO_CHECKPOINTS, str(tmp_path / "steps"), str(step)],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "OMP_NUM_THREADS": "1",
                **more,
            },
        )

    assert written(2).stdout == "step-00000002\n"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    paths = {
        "fsync": (("weights.safetensors", 0), ("manifest.json", 0), ("/steps", 0)),
        "rename": (("step-00000004", 0), ("manifest.json", 0)),
        # The library of the weights writes under names of its own.
        "write": ((".step-00000004.tmp/", 1), (".step-00000004.tmp/", 0), ("manifest.json", 0)),
    }
    for path, since in paths[call][: size(1, 3)]:
        done = written(4, **injected(call, path, since=since))
        assert done.returncode == 5, (path, done.stdout, done.stderr)
        assert "cannot write" in done.stdout
        if path != "/steps":  # there the rename was done already
            after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
            assert after == before
        assert not [*tmp_path.rglob("*.tmp")]
    assert written(4).stdout == "step-00000004\n"
