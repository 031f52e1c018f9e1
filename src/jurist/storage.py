"""Files that appear whole or not at all, and run directories that one process holds at a time."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from jurist.errors import ConfigError, StoreError
from jurist.rehearsal import begin_work

_NAMING_SECONDS: Final = 1.0
"""How long a holder of a lock may take to write its name."""


@contextmanager
def storing(path: Path) -> Generator[None]:
    """Turn the operating system's refusals inside the block into a `StoreError` naming `path`."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(unwritable(path, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """What to say of a path that the operating system does not let be written."""
    advice = advice_on(error.errno, path)
    return f"{path}: cannot write: {error.strerror or error}" + (f"; {advice}" if advice else "")


def advice_on(number: int | None, path: Path) -> str:
    """What to do about an error of the operating system over a path; empty if nothing is known."""
    if number == errno.ENOSPC and not _files_left(path):
        return (
            "its file system can hold no more files (no inodes are left): delete some and run again"
        )
    return _ADVICE.get(number or 0, "")


_ADVICE = {
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "your quota is used up: make room and run again",
    errno.EROFS: "it is mounted read-only: give a path on another disk",
    errno.EACCES: "you have no right to: give another path, or mend its rights",
    errno.EPERM: "you have no right to: give another path, or mend its rights",
    errno.EFBIG: "files may not grow so large here: raise `ulimit -f` and run again",
    errno.EIO: "the disk fails: give a path on another one",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EMFILE: "too many files are open: raise `ulimit -n` and run again",
}


def obstacle(path: Path) -> int:
    """The error of the operating system that writing beside a path would meet, as far as it can be
    seen; 0 if none. For libraries that only say that writing failed.
    """
    with suppress(OSError):
        if (status := _status(path)) is not None:
            if status.f_flag & os.ST_RDONLY:
                return errno.EROFS
            # With less room a log cannot be begun; and what failed has given its own back.
            if status.f_bavail * status.f_frsize < 2**17 or not _files_left(path):
                return errno.ENOSPC
        folder = path.absolute().parent
        if folder.is_dir() and not os.access(folder, os.W_OK):
            return errno.EACCES
    return 0


def _files_left(path: Path) -> bool:
    """Whether the file system around a path can hold one more file, as far as it says."""
    status = _status(path)
    # Some file systems count no inodes, and say that they have none.
    return status is None or status.f_favail > 0 or status.f_files == 0


def _status(path: Path) -> os.statvfs_result | None:
    """What the file system around a path says of itself."""
    for folder in (path, *path.absolute().parents):
        with suppress(OSError):
            return os.statvfs(folder)
    return None


def make_directory(path: Path) -> Path:
    """Create a directory and its parents, if they are not there.

    Raises:
        StoreError: If it cannot be created.
    """
    begin_work()
    with storing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A file that appears as `path`, whole and durable, when the block ends well, or not at all.

    It is written beside `path`, and renamed.

    Raises:
        StoreError: If it cannot be written. An older file of that name is then still whole.
    """
    make_directory(path.parent)  # where a dry run ends
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    with storing(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    with storing(path):
        sync_directory(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """`write_text` of indented JSON. NaN and infinities are refused: JSON has no word for them."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def sync_directory(path: Path) -> None:
    """Make a rename inside a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold `path` as this process's own while the block runs.

    The lock is the operating system's, so it goes with the process however that ends. The file
    stays behind: it says who holds it, or who was killed while holding it.

    Raises:
        ConfigError: If another process holds it.
        StoreError: If the file cannot be written.
    """
    make_directory(path.parent)
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, path)
        with storing(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    """Lock an open file, or refuse it by the name of who holds it."""
    patience = time.monotonic() + _NAMING_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            # A holder writes its name just after it has the lock. Until then none stands there,
            # or that of a process that was killed. Who only looks whether it is held, as
            # `jurist doctor RUN` does, has it for a moment and writes none.
            if not _may_hold(holder) and time.monotonic() < patience:
                time.sleep(0.001)
                continue
            raise ConfigError(
                f"{path.parent}: in use by {holder or 'another process'}; wait for it to end, "
                f"or give another directory"
            ) from None
        return


def _may_hold(holder: str) -> bool:
    """Whether a process is named that may be at work: of this machine, only one that is there."""
    match holder.split():
        case ["process", number, "on", host] if number.isdecimal():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                return host != socket.gethostname()
            except PermissionError:
                return True
            return True
        case _:
            return False
