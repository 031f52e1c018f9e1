"""Disks that take no more: told with the path and what to do, and with room again all goes on."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)
"""Many processes each, one after the other, on a machine that may be busy."""

NAMES = ("judge", "label", "evaluate")


def num_kib(run: Path) -> int:
    """Room that a run takes on a disk, in whole pages."""
    sizes = (path.stat().st_size for path in run.rglob("*") if path.is_file())
    return sum(-(-size // 4096) * 4 for size in sizes)


@pytest.mark.fault(4, "full disk")
@pytest.mark.parametrize(
    "command", ["judge", "label", pytest.param("evaluate", marks=pytest.mark.slow)]
)
def test_a_full_disk_is_told_at_every_stage_and_with_room_the_run_goes_on(
    command, make_work, make_disk, undisturbed, bytes_of, rows_of, assert_told, assert_whole, size
):
    whole = undisturbed(command)
    most = num_kib(whole) + 100
    disk = make_disk(size="20k")
    work = make_work(disk.folder)
    failures = 0
    kept: dict[str, bytes] = {}
    steps = size(3, 8)
    for step in range(steps + 1):
        disk.resize(size="64m" if step == steps else f"{20 + most * step // steps}k")
        done = work.ended(*work.arguments(command))
        if done.returncode == 0:
            break
        failures += 1
        assert_told(done, 5, "make room and run again")
        assert "run" in done.stderr
        assert_whole(work.run)
        there = bytes_of(work.run) if work.run.exists() else {}
        assert kept.items() <= there.items()
        kept = {name: content for name, content in there.items() if "reject" not in name}
    else:
        pytest.fail("no room was enough")
    assert failures >= min(steps, 3)
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.fault(4, "read-only folder")
def test_a_folder_that_may_only_be_read_is_told_and_what_lies_in_it_stays(
    make_work, make_disk, undisturbed, bytes_of, rows_of, assert_told, tmp_path
):
    whole = undisturbed("judge")
    disk = make_disk(size="64m")
    work = make_work(disk.folder)
    # A run that has been begun, and one that is to be.
    for begun in (False, True):
        if begun:
            done = work.ended(*work.arguments("judge"))
            assert done.returncode == 0, done.stderr
            (work.run / "verdicts.jsonl").unlink()
        before = {path: path.read_bytes() for path in disk.folder.rglob("*") if path.is_file()}
        subprocess.run(["mount", "-o", "remount,ro", str(disk.folder)], check=True)
        done = work.ended(*work.arguments("judge"))
        assert_told(done, 5, "run", "mounted read-only: give a path on another disk")
        after = {path: path.read_bytes() for path in disk.folder.rglob("*") if path.is_file()}
        assert after == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk.folder)], check=True)
    done = work.ended(*work.arguments("judge"))
    assert done.returncode == 0, done.stderr
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_told(make_work, assert_told):
    work = make_work("mine")
    work.folder.chmod(0o500)
    try:
        done = work.ended(*work.arguments("judge"))
    finally:
        work.folder.chmod(0o700)
    assert_told(done, 5, "run", "no right to")


@pytest.mark.fault(4, "no inodes left")
def test_without_inodes_it_is_told_at_every_stage_and_with_some_the_run_goes_on(
    make_work, make_disk, undisturbed, bytes_of, rows_of, assert_told, assert_whole, size
):
    whole = undisturbed("label")
    disk = make_disk(nr_inodes=4)
    work = make_work(disk.folder)
    there = 4  # the root, the pairs
    failures = 0
    step = size(4, 3)
    while there < 60:
        disk.resize(nr_inodes=there)
        done = work.ended(*work.arguments("label"))
        if done.returncode == 0:
            break
        failures += 1
        assert_told(done, 5, "run", "no more files (no inodes are left): delete some")
        assert_whole(work.run)
        there += step
    assert failures >= 2
    assert bytes_of(work.run) == bytes_of(whole)
    disk.resize(nr_inodes=1000)  # to open a store, SQLite makes two files
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.fault(4, "file size limit")
@pytest.mark.parametrize("command", ["judge", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_files_that_may_not_grow_are_told_and_where_they_may_the_run_goes_on(
    command, make_work, undisturbed, bytes_of, rows_of, assert_told, assert_whole, size
):
    """SIGXFSZ would end the process; it is an error like others."""
    whole = undisturbed(command)
    work = make_work(f"limited-{command}")
    failures = 0
    most = max(path.stat().st_size for path in whole.rglob("*") if path.is_file()) * 2
    steps = size(2, 5)
    for step in range(steps + 1):
        limit = 1 + (2**28 if step == steps else most * step // steps)
        done = work.ended(
            *work.arguments(command),
            preexec_fn=lambda limit=limit: resource.setrlimit(
                resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)
            ),
        )
        if done.returncode == 0:
            break
        failures += 1
        assert_told(done, 5, "run", "ulimit -f")
        assert_whole(work.run)
    assert failures >= 1
    assert bytes_of(work.run) == bytes_of(whole)
    assert rows_of(work.run) == rows_of(whole)


@pytest.mark.fault(4, "full disk")
def test_a_full_disk_under_standard_output_is_told(make_work, undisturbed, assert_told):
    work = make_work("piped")
    with open("/dev/full", "w") as full:
        for arguments in (("doctor", undisturbed("judge")), ("judge", "--help")):
            done = work.ended(*arguments, stdout=full)
            assert_told(
                done, 5, "standard output, or a file: cannot write: No space left", "make room"
            )
