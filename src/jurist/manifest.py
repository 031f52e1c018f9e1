"""What a folder was written with: every file's size and SHA-256, listed in its `manifest.json`.

`jurist.training.checkpoint` writes it, last of all; here it is read, which needs no torch.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from jurist.digest import file_digest
from jurist.errors import StoreError

MANIFEST: Final = "manifest.json"
VERSION: Final = 1
"""Of what a manifest says and how. One that names no version is of the first."""

UNLISTED: Final = ("README.md", "timings.jsonl")
"""Files that the manifest leaves out: people edit the one, and the other is never the same."""


def verify(folder: Path, *, digest_of: Callable[[Path], str] = file_digest) -> dict[str, Any]:
    """Check every file of a folder against its manifest.

    Args:
        folder: The folder.
        digest_of: SHA-256 of a file, in hexadecimal.

    Returns:
        The manifest: `files`, and the facts it was written with.

    Raises:
        StoreError: If the folder is not whole; the message says what is wrong with which file. If
            a later version of this package wrote the manifest.
    """
    path = folder / MANIFEST
    try:
        manifest: Any = json.loads(path.read_text("utf-8"))
        version = int(manifest.get("manifest", VERSION))
        files = cast(dict[str, dict[str, Any]], manifest["files"])
        listed = [(name, int(file["bytes"]), str(file["sha256"])) for name, file in files.items()]
    except FileNotFoundError:
        raise StoreError(f"{folder}: not whole: no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path}: damaged: {error!r}") from error
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a later jurist (manifest version {version}, this one reads up to "
            f"{VERSION}); upgrade jurist"
        )
    for name, size, sha256 in listed:
        file = folder / name
        try:
            if not file.is_file():
                raise StoreError(f"{file}: missing, though {MANIFEST} lists it")
            if (found := file.stat().st_size) != size:
                raise StoreError(f"{file}: {found} bytes, {MANIFEST} says {size}")
            if digest_of(file) != sha256:
                raise StoreError(f"{file}: its SHA-256 is not the one in {MANIFEST}")
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{file}: cannot read: {error.strerror or error}") from error
    return cast(dict[str, Any], manifest)
