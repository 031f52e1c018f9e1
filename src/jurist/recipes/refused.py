"""What the machine refuses in the middle of anything, in one sentence with what to do about it."""

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
    while error is not None:
        if _is_of_memory(error):
            return EngineError(
                "out of memory; what was kept before is safe. Run the same command again with more "
                "memory, fewer --workers or a smaller model; in training, with smaller "
                "--micro-batch-tokens, --gradient-checkpointing or --lora-rank"
            )
        if isinstance(error, OSError) and not isinstance(error, JuristError):
            path = error.filename if isinstance(error.filename, str) else None
            if advice_on(error.errno, Path(path or ".")):
                return StoreError(unwritable(Path(path or "standard output, or a file"), error))
        error = error.__cause__ or error.__context__
    return None


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | OSError | ImportError) and any(
        words in said for words in _OUT_OF_MEMORY
    )
