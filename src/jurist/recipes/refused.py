"""What the machine refuses in the middle of anything, in one sentence with what to do about it."""

import errno
from pathlib import Path
from typing import Final

from jurist.errors import EngineError, JuristError, StoreError, is_out_of_memory, with_causes
from jurist.storage import advice_on, unwritable

_OF_WRITING: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""What only a write can meet. Of other errors a library does not say what it was about to do."""


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
    for one in with_causes(error):
        if isinstance(one, OSError) and not isinstance(one, JuristError):
            path = one.filename if isinstance(one.filename, str) else None
            if advice := advice_on(one.errno, Path(path or ".")):
                what = Path(path or "standard output, or a file")
                if one.errno in _OF_WRITING:
                    return StoreError(unwritable(what, one))
                return StoreError(f"{what}: cannot read or write: {one.strerror}; {advice}")
    return None
