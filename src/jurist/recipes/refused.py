"""What the machine refuses in the middle of anything, in one sentence with what to do about it."""

from collections.abc import Iterator
from pathlib import Path

from jurist.errors import EngineError, JuristError, StoreError
from jurist.storage import advice_on, unwritable

_OUT_OF_MEMORY = (
    *("can't allocate memory", "std::bad_alloc", "not enough memory", "cannot allocate"),
    *("failed to map segment", "can't start new thread"),
)
"""What libraries say in errors of their own."""


def refusal(error: BaseException | None) -> JuristError | None:
    """The machine's refusal that an error is, or was caused by: of memory, of room on a disk.

    What the package does itself comes as a `JuristError` already; this is for what a library does
    in between, and for standard output.

    Returns:
        What to tell, or None if it is something else.
    """
    if is_out_of_memory(error):
        return EngineError(
            "out of memory; what was kept before is safe. Run the same command again with more "
            "memory, fewer --workers or a smaller model; in training, with smaller "
            "--micro-batch-tokens, --gradient-checkpointing or --lora-rank"
        )
    for one in _with_causes(error):
        if isinstance(one, OSError) and not isinstance(one, JuristError):
            path = one.filename if isinstance(one.filename, str) else None
            if advice_on(one.errno, Path(path or ".")):
                what = Path(path or "standard output, or a file")
                return StoreError(unwritable(what, one))
    return None


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error is that there is no memory, or was caused by that."""
    return any(map(_is_of_memory, _with_causes(error)))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError | ImportError) and any(
        words in said for words in _OUT_OF_MEMORY
    )
