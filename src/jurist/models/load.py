"""Loading checkpoints: safetensors only, no code from them, one clear sentence on failure."""

import json
import logging
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from jurist.digest import digest, file_digest
from jurist.errors import ConfigError, StoreError, is_out_of_memory
from jurist.manifest import MANIFEST, verify
from jurist.models.accelerator import device
from jurist.models.unsafe import ADAPTER, adapter_base, code_advice, refuse_unsafe
from jurist.storage import write_json

Dtype = Literal["float32", "bfloat16"]

_REWARD_HEAD = "reward_head.json"
"""Of a critic: the head that it has beside its language model's. A file that no library takes for
weights, so that whatever loads or serves causal models takes the folder as it is."""

_FINGERPRINTED = (
    "config.json",
    "generation_config.json",
    ADAPTER,
    _REWARD_HEAD,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
_HEADS = ("score", "classifier")
_digests: dict[tuple[str, int, int], str] = {}


def load_tokenizer(model: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder or hub id.

    Raises:
        ConfigError: If there is none.
    """
    with _loading(model):
        loaded: Any = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    return cast(PreTrainedTokenizerBase, loaded)


def load_causal(
    model: str | Path, *, dtype: Dtype = "float32", place: torch.device | None = None
) -> PreTrainedModel:
    """A causal language model, in evaluation mode.

    Args:
        model: Checkpoint folder or hub id. A folder with a LoRA adapter loads its base and merges.
        dtype: What its weights are held in.
        place: Where they are held. Default: on the accelerator if there is one.

    Raises:
        ConfigError: If there is no such model, or its weights are not safetensors, damaged, or not
            all that the model has.
        StoreError: If it has a manifest, and is not as that says.
    """
    refuse_unsafe(model)
    _verify(model)
    with _loading(model):
        if (Path(model) / ADAPTER).exists():
            loaded = _merged_adapter(model, dtype)
        else:
            loaded, lacking = _loaded(AutoModelForCausalLM, model, dtype)
            _refuse_partial(model, lacking)
    return _placed(loaded, place)


def load_scalar(
    model: str | Path, *, dtype: Dtype = "float32", place: torch.device | None = None
) -> PreTrainedModel:
    """A model with one output per sequence, in evaluation mode.

    A causal checkpoint gets a new head, all zeros: before training every reward is 0, and the
    first step depends on no draw. A critic has its own (`load_critic`).

    Args:
        model: Checkpoint folder or hub id.
        dtype: What its weights are held in.
        place: Where they are held. Default: on the accelerator if there is one.

    Raises:
        ConfigError: If there is no such model, or its architecture has no sequence classifier.
        StoreError: If it has a manifest, and is not as that says.
    """
    refuse_unsafe(model)
    _verify(model)
    with _loading(model):
        config = AutoConfig.from_pretrained(str(model), trust_remote_code=False)
        config.num_labels = 1
        if config.pad_token_id is None:
            config.pad_token_id = _pad_id(model, config)
        loaded, lacking = _loaded(AutoModelForSequenceClassification, model, dtype, config=config)
        new = [key for key in lacking if key.partition(".")[0] in _HEADS]
        _refuse_partial(model, [key for key in lacking if key not in new])
    if new:
        _set_head(head(loaded), model)
    return _placed(loaded, place)


def load_critic(
    model: str | Path, *, dtype: Dtype = "float32", place: torch.device | None = None
) -> PreTrainedModel:
    """A causal language model with a linear head of one output beside, named `score`.

    The head is the one that `write_reward_head` kept in the folder, else all zeros.

    Args:
        model: Checkpoint folder or hub id.
        dtype: What its weights are held in.
        place: Where they are held. Default: on the accelerator if there is one.

    Raises:
        ConfigError: As `load_causal`.
        StoreError: As `load_causal`.
    """
    loaded = load_causal(model, dtype=dtype, place=place)
    body = cast(torch.nn.Linear, loaded.get_output_embeddings()).weight
    score = torch.nn.Linear(body.shape[1], 1, bias=False, device=body.device, dtype=body.dtype)
    _set_head(score, model)
    loaded.score = score
    if loaded.config.pad_token_id is None:
        loaded.config.pad_token_id = _pad_id(model, loaded.config)
    return loaded


def take_reward_head(model: PreTrainedModel) -> torch.Tensor | None:
    """Take the weight of the head that `load_critic` put beside, so that what is left is causal.

    Returns:
        The weight, shape [1, D]; None if there is no such head.
    """
    score = getattr(model, "score", None)
    if score is None:
        return None
    del model.score
    return score.weight.detach()


def write_reward_head(folder: Path, weight: torch.Tensor) -> None:
    """Keep a critic's head beside its weights, exactly."""
    write_json(folder / _REWARD_HEAD, {"weight": weight.float().tolist()})


def _set_head(linear: torch.nn.Linear, model: str | Path) -> None:
    path = Path(model) / _REWARD_HEAD
    with torch.no_grad():
        if path.exists():
            linear.weight.copy_(_kept_head(path, linear.weight.shape))
        else:
            linear.weight.zero_()


def _kept_head(path: Path, shape: torch.Size) -> torch.Tensor:
    try:
        held = json.loads(path.read_text("utf-8"))["weight"]
        weight = torch.tensor(held, dtype=torch.float32)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: damaged ({error!r}); get the file as it was") from error
    # One number would be copied to every place.
    if weight.shape != shape or not weight.isfinite().all():
        raise ConfigError(
            f"{path}: expected finite weights of shape {list(shape)}, found "
            f"{list(weight.shape) if weight.shape != shape else 'others'}; it is of another model, "
            f"or damaged"
        )
    return weight


def head(model: PreTrainedModel) -> torch.nn.Linear:
    """The linear layer that reads a reward off the last hidden state.

    Raises:
        ConfigError: If the architecture names it neither `score` nor `classifier`.
    """
    for name in _HEADS:
        found = getattr(model, name, None)
        if isinstance(found, torch.nn.Linear):
            return found
    raise ConfigError(f"{type(model).__name__}: no linear head named score or classifier")


def weights_fingerprint(model: str | Path) -> str:
    """Digest of everything in a checkpoint that its replies depend on.

    Of a folder, the content of its weights, config, tokenizer and chat template, and the same of
    the base if it holds an adapter; of a hub id, the id and the commit it resolves to.

    Raises:
        ConfigError: If there is no such model.
        StoreError: If it has a manifest, and is not as that says.
    """
    _verify(model)
    folder = Path(model)
    if not folder.is_dir():
        with _loading(model):
            config = AutoConfig.from_pretrained(str(model), trust_remote_code=False)
        return digest("hub", str(model), getattr(config, "_commit_hash", None))
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix == ".safetensors" or path.name in _FINGERPRINTED
    )
    own = digest("folder", [[path.name, _known_digest(path)] for path in files])
    if not (folder / ADAPTER).exists():
        return own
    return digest("adapter", own, weights_fingerprint(adapter_base(folder)))


def _loaded(
    auto: Any,  # noqa: ANN401 - the auto classes are untyped
    model: str | Path,
    dtype: Dtype,
    **settings: PretrainedConfig,
) -> tuple[Any, list[str]]:
    """A model, and the names of its weights that the checkpoint has not, or in another shape."""
    loaded, report = auto.from_pretrained(
        str(model),
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **settings,
    )
    mismatched = [entry[0] for entry in report["mismatched_keys"]]
    return loaded, sorted({*report["missing_keys"], *mismatched})


def _refuse_partial(model: str | Path, lacking: list[str]) -> None:
    # transformers would fill the gaps with random numbers, and warn.
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise ConfigError(
            f"{model}: the checkpoint lacks {', '.join(lacking[:3])}{more}, or has them in another "
            f"shape than config.json says; it is damaged, or a model of another kind"
        )


def _placed(
    model: Any,  # noqa: ANN401 - the auto classes are untyped
    place: torch.device | None,
) -> PreTrainedModel:
    return cast(PreTrainedModel, model.to(place or device()).eval())


def _verify(model: str | Path) -> None:
    """Hold a checkpoint that was made here to its manifest: a flipped bit is another model."""
    path = Path(model) / MANIFEST
    if not path.is_file():
        return
    try:
        # What it costs is read off the disk once, for this and for the fingerprint.
        verify(Path(model), digest_of=_known_digest)
    except StoreError as error:
        raise StoreError(
            f"{error}; it is not loaded. Get the files as they were or train it again, or, if they "
            f"were changed on purpose, delete {path}"
        ) from error


def _known_digest(path: Path) -> str:
    status = path.stat()
    key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    if key not in _digests:
        _digests[key] = file_digest(path)
    return _digests[key]


def _merged_adapter(model: str | Path, dtype: Dtype) -> PreTrainedModel:
    from peft import AutoPeftModelForCausalLM

    loaded: Any = AutoPeftModelForCausalLM.from_pretrained(
        str(model), dtype=getattr(torch, dtype), use_safetensors=True
    )
    return cast(PreTrainedModel, loaded.merge_and_unload())


def _pad_id(model: str | Path, config: PretrainedConfig) -> int:
    tokenizer = load_tokenizer(model)
    for token in (tokenizer.pad_token_id, config.eos_token_id, tokenizer.eos_token_id):
        if isinstance(token, list):
            return cast(int, token[0])
        if isinstance(token, int):
            return token
    raise ConfigError(f"{model}: neither a pad nor an eos token, so sequences cannot be batched")


_OF_NONSENSE = (StrictDataclassError, TypeError, AttributeError, LookupError, ArithmeticError)
"""What transformers comes to by a config whose values make no sense."""


@contextmanager
def _loading(model: str | Path) -> Generator[None]:
    """Quiet, and with every way that loading fails told in one sentence."""
    transformers.utils.logging.disable_progress_bar()
    # Advice on keys, devices and retries that the one sentence below replaces.
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (OSError, ValueError, RuntimeError, SafetensorError, *_OF_NONSENSE) as error:
        # That there is no memory says nothing of the model.
        if isinstance(error, ConfigError) or is_out_of_memory(error):
            raise
        raise ConfigError(_complaint(model, error)) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _complaint(model: str | Path, error: Exception) -> str:
    if (advice := code_advice(model, str(error))) is not None:
        return advice
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else ""
    if isinstance(error, StrictDataclassError):  # which says by whom it was found, and then what
        first = " ".join(lines)
    elif isinstance(error, _OF_NONSENSE):
        first = f"{type(error).__name__}: {first}"
    if Path(model).exists():
        return f"{model}: cannot be loaded as a model: {first}"
    offline = " (offline: HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    return (
        f"{model}: neither a folder here nor a model that could be fetched from the Hugging Face "
        f"hub{offline}: {first}"
    )
