import os
import subprocess
import sys

import pytest

from jurist.errors import ConfigError, StoreError
from jurist.storage import locked, make_directory, write_bytes, write_json, write_text


def test_a_file_is_written_with_its_folders_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "é\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "é\n".encode()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]


def test_a_write_that_fails_leaves_the_older_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match=r"file: cannot write: No space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/run: cannot write"):
        make_directory(tmp_path / "file" / "run")


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not (tmp_path / "x.json").exists()


HOLDER = """
import sys
from pathlib import Path
from jurist.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.fault(6, "second process")
def test_a_held_lock_names_its_holder(tmp_path, holder):
    with (
        pytest.raises(ConfigError, match=f"in use by process {holder.pid}"),
        locked(tmp_path / "run.lock"),
    ):
        pass


@pytest.mark.fault(6, "killed holder")
def test_a_lock_goes_with_a_killed_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path / "run.lock"):
        assert f"process {os.getpid()}" in (tmp_path / "run.lock").read_text()


def test_a_lock_is_given_back_when_the_block_ends(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "run.lock"):
            pass
