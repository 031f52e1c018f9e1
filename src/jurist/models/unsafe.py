"""What is in a checkpoint that could run when it is loaded, and is refused or left alone.

Weights are read as safetensors, which hold numbers and nothing else. Of what else may lie in a
folder, pickled weights, code of the model's own and kernels fetched from a hub are never run.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from jurist.errors import ConfigError

PICKLED: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
"""Names of weights that can run code when they are loaded."""

ADAPTER: Final = "adapter_config.json"
_OWN_CODE: Final = "auto_map"
_CONFIGS: Final = ("config.json", "tokenizer_config.json", "processor_config.json")
_KERNELS: Final = ("attn_implementation", "experts_implementation")

logger = logging.getLogger(__name__)
_told: set[str] = set()


def refuse_unsafe(model: str | Path) -> None:
    """Refuse a folder that could not be loaded without running what is in it.

    Code that it brings and that is not needed is not run; that is logged, once a process.

    Args:
        model: Checkpoint folder. Anything else is left to the loader: of the hub, too, no weights
            but safetensors and no code are loaded.

    Raises:
        ConfigError: If weights are pickled, a list of weights names files elsewhere, the config
            asks for kernels from a hub or an adapter for a module of its choice; or if there are no
            weights at all, or no base of an adapter.
    """
    folder = Path(model)
    if not folder.is_dir():
        return
    adapter = (folder / ADAPTER).exists()
    _refuse_pickle(folder, "adapter_model.safetensors" if adapter else "*.safetensors")
    _refuse_foreign_parts(folder)
    for key, value in _settings(_json(folder / "config.json")):
        if any(name in key for name in _KERNELS) and isinstance(value, str) and "/" in value:
            raise ConfigError(
                f"{folder / 'config.json'}: {key} names {value!r}, code that would be fetched and "
                f"run; delete that entry"
            )
    if places := [name for name in _CONFIGS if _json(folder / name).get(_OWN_CODE)]:
        _tell(
            f"{folder}: {' and '.join(places)} name code of the model's own ({_OWN_CODE}); it is "
            f"not run, what transformers has of that name is used"
        )
    if adapter:
        config = _json(folder / ADAPTER)
        if config.get("megatron_config") is not None:
            raise ConfigError(
                f"{folder / ADAPTER}: megatron_config makes PEFT import a module that the file "
                f"names; delete that entry"
            )
        refuse_unsafe(adapter_base(folder))


def adapter_base(folder: Path) -> str:
    """Checkpoint folder or hub id of the base that an adapter names.

    Args:
        folder: The adapter's. Its base may be an adapter in turn.

    Raises:
        ConfigError: If it names none, or one that leads back to it.
    """
    base = _named_base(folder)
    known, path = {folder.resolve()}, Path(base)
    while (path / ADAPTER).exists():
        if path.resolve() in known:
            raise ConfigError(
                f"{folder / ADAPTER}: base_model_name_or_path leads back to {path}; name the model "
                f"that the adapter was trained on"
            )
        known.add(path.resolve())
        path = Path(_named_base(path))
    return base


def _named_base(folder: Path) -> str:
    base = _json(folder / ADAPTER).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ConfigError(
            f"{folder / ADAPTER}: expected base_model_name_or_path to name the model that the "
            f"adapter was trained on, found {base!r}"
        )
    return base


def code_advice(model: str | Path, complaint: str) -> str | None:
    """What to say instead, if a loader complained that it may not run a checkpoint's code."""
    if "trust_remote_code" not in complaint:
        return None
    return (
        f"{model}: its architecture or tokenizer is code of its own ({_OWN_CODE}), and code from "
        f"a checkpoint is never run; use one that transformers has itself"
    )


def _refuse_pickle(folder: Path, wanted: str) -> None:
    if any(folder.glob(wanted)):
        return
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        raise ConfigError(
            f"{folder}: weights only as {', '.join(pickled)}, and loading those can run code; "
            f"convert them to safetensors"
        )
    raise ConfigError(
        f"{folder}: no weights here; a checkpoint has a model.safetensors, "
        f"an adapter an adapter_model.safetensors"
    )


def _refuse_foreign_parts(folder: Path) -> None:
    """Refuse a list of weights that leads out of the folder, or to what is no safetensors."""
    for index in sorted(folder.glob("*.safetensors.index.json")):
        parts: object = _json(index).get("weight_map")
        names = cast(dict[str, object], parts).values() if isinstance(parts, dict) else ()
        for name in names:
            if not isinstance(name, str) or Path(name).name != name or "\\" in name:
                raise ConfigError(f"{index}: expected names of files beside it, found {name!r}")
            if not name.endswith(".safetensors"):
                raise ConfigError(
                    f"{index}: names {name!r}, and only safetensors are loaded; others can run code"
                )


def _tell(text: str) -> None:
    if text not in _told:
        _told.add(text)
        logger.warning("%s", text)


def _json(path: Path) -> Mapping[str, Any]:
    """A file's object; empty if there is none, or if it is damaged, which the loader says."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _settings(config: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every setting, of the parts of a config too."""
    for key, value in config.items():
        if isinstance(value, dict):
            # The value may also be one for each part of the model.
            yield from ((f"{key}.{name}", one) for name, one in _settings(cast(Any, value)))
        else:
            yield key, value
