"""What the machine refuses is told as that, and nothing else is."""

import errno

import pytest

from jurist.errors import EngineError, StoreError
from jurist.recipes.refused import refusal


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory"),
        ImportError("libtorch.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
    ids=repr,
)
def test_memory_that_is_refused_is_told_whoever_says_so(error: Exception):
    caused = ValueError("cannot go on")
    caused.__cause__ = error
    for one in (error, caused):
        told = refusal(one)
        assert isinstance(told, EngineError) and str(told).startswith("out of memory")


@pytest.mark.parametrize(
    "error",
    [
        # Of libraries loaded in the wrong order, which less of anything does not mend.
        ImportError("libgomp.so.1: cannot allocate memory in static TLS block"),
        ValueError("can't allocate memory"),
        KeyError("x"),
        OSError(errno.ENOENT, "No such file or directory", "x"),
        None,
    ],
    ids=repr,
)
def test_what_is_none_of_these_is_left_to_be_a_bug(error: Exception | None):
    assert refusal(error) is None


def test_what_may_have_been_a_read_is_not_called_a_write():
    told = refusal(PermissionError(errno.EACCES, "Permission denied", "model.safetensors"))
    assert isinstance(told, StoreError)
    said = "model.safetensors: cannot read or write: Permission denied; you have no right to"
    assert str(told).startswith(said)


def test_a_disk_that_is_full_is_told_with_the_file():
    error = OSError(errno.ENOSPC, "No space left on device", "weights.safetensors")
    told = refusal(error)
    assert isinstance(told, StoreError)
    assert str(told).startswith("weights.safetensors: cannot write: No space left on device; ")
