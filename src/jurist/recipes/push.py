"""Put a checkpoint and its model card on the Hugging Face hub, and nothing else.

    jurist push runs/star-dpo --repo OWNER/NAME --private

The token is the one of HF_TOKEN or of `hf auth login`; it is never an argument.
"""

import importlib.util
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import tyro

from jurist.errors import ConfigError, EngineError, JuristError
from jurist.manifest import verify
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.showing import Console

ALLOWED: Final = (
    r"model(-\d{5}-of-\d{5})?\.safetensors",
    r"model\.safetensors\.index\.json",
    r"adapter_model\.safetensors",
    r"(adapter_config|config|generation_config|reward_head|jurist|manifest)\.json",
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json",
    r"(tokenizer|spiece|sentencepiece\.bpe)\.model",
    r"vocab\.txt|merges\.txt|chat_template\.jinja",
    r"README\.md|LICENSE(\.md|\.txt)?|NOTICE(\.md|\.txt)?",
    r"metrics\.jsonl|lengths\.json",
)
"""Names of what a checkpoint is made of. Nothing else is sent: no optimizer's state, no
completions, nothing that runs code when it is loaded."""

LEFT: Final = ("timings.jsonl", ".gitattributes")
"""What may lie in a checkpoint and stays here."""

REPORT: Final = ("report.html", "report.md", "results.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class PushConfig:
    """What goes to the hub, and where to."""

    source: tyro.conf.Positional[str]
    """Run directory, of which the last checkpoint is meant, or a checkpoint's folder."""

    repo: str
    """Repository on the hub, as OWNER/NAME. It is made if it is not there."""

    private: bool = False
    """Make the repository private. One that is there already and public is refused."""

    include_report: bool = False
    """Send the run's report and results too. They quote prompts and responses of the test sets."""

    dry_run: bool = False
    """Say what would be sent, and send nothing."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", self.repo):
            raise ConfigError(f"--repo {self.repo!r}: expected OWNER/NAME")


def run_push(config: PushConfig) -> None:
    """Put a checkpoint and its model card on the Hugging Face hub."""
    folder = Path(checkpoint_folder(config.source))
    files = files_to_send(folder)
    if config.include_report:
        files |= _report(folder)
    console = Console()
    for name, path in files.items():
        console.print(
            f"{path.stat().st_size:>14,}  {name}", markup=False, highlight=False, soft_wrap=True
        )
    if config.dry_run:
        where = f"{config.repo}{' (private)' if config.private else ''}"
        console.print(f"would go to {where}; nothing was sent", markup=False, soft_wrap=True)
        return
    console.print(f"sent to {_send(config, files)}", markup=False, soft_wrap=True)


def files_to_send(folder: Path) -> dict[str, Path]:
    """The files of a checkpoint by name.

    Raises:
        ConfigError: If it is no checkpoint, or holds what is no part of one.
        StoreError: If it is not as its manifest says.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected a run directory or a checkpoint")
    allowed = re.compile("|".join(ALLOWED))
    files = {path.name: path for path in sorted(folder.iterdir()) if path.name not in LEFT}
    strange = [name for name in files if not allowed.fullmatch(name) or not files[name].is_file()]
    if strange:
        raise ConfigError(
            f"{folder}: {', '.join(strange[:5])}{' and more' if len(strange) > 5 else ''}: no part "
            f"of a checkpoint, and only a checkpoint is sent; move it elsewhere"
        )
    weights = [name for name in files if name.endswith(".safetensors")]
    if not weights or not {"config.json", "adapter_config.json"} & set(files):
        raise ConfigError(
            f"{folder}: no checkpoint: expected weights (*.safetensors) and config.json, "
            f"found {', '.join(files) or 'nothing'}"
        )
    if "manifest.json" in files:
        verify(folder)
    return files


def _report(folder: Path) -> dict[str, Path]:
    run = next((above for above in folder.parents if (above / "run.lock").exists()), None)
    if run is None:
        raise ConfigError(f"{folder}: in no run directory, so there is no report to include")
    missing = [name for name in REPORT if not (run / name).exists()]
    if missing:
        raise ConfigError(f"{run}: has no {', '.join(missing)}; run it to its end first")
    return {name: run / name for name in REPORT}


def _send(config: PushConfig, files: dict[str, Path]) -> str:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ConfigError(
            "push needs huggingface_hub, which is not installed: pip install 'jurist[train]'"
        )
    import huggingface_hub
    from huggingface_hub import CommitOperationAdd, HfApi

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise ConfigError("HF_HUB_OFFLINE is set, so nothing can be sent; unset it")
    token = huggingface_hub.get_token()
    if token is None:
        raise ConfigError(
            "nobody is logged in to the hub: run `hf auth login`, or set HF_TOKEN to a token that "
            "may write"
        )
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    api: Any = HfApi(library_name="jurist")
    with _asking(api.endpoint, config.repo, token):
        api.create_repo(config.repo, private=config.private or None, exist_ok=True)
        if config.private and not api.model_info(config.repo).private:
            raise ConfigError(
                f"--private: {config.repo} is there already and everybody may read it; give "
                f"another --repo, or make it private on the hub first"
            )
        operations = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=_content(config, path))
            for name, path in files.items()
        ]
        api.create_commit(config.repo, operations, commit_message="Checkpoint, by jurist push")
    return f"{api.endpoint}/{config.repo}"


def _content(config: PushConfig, path: Path) -> str | bytes:
    """A file by its path; of the card, what is written in it once its place is known."""
    if path.name != "README.md":
        return str(path)
    return path.read_text("utf-8").replace("OWNER/NAME", config.repo).encode()


@contextmanager
def _asking(endpoint: str, repo: str, token: str) -> Generator[None]:
    """Every way that the hub refuses, told in one sentence, without the token."""
    from huggingface_hub.errors import HfHubHTTPError

    # Of httpx, or of what the hub's library has instead of it.
    bases = cast(tuple[type[Exception], ...], HfHubHTTPError.__mro__)
    unreachable = next(kind for kind in bases if kind.__name__ == "HTTPError")
    advice = {
        400: "the hub holds the request to be wrong",
        401: f"the hub does not know the token; make one that may write at {endpoint}/settings/"
        f"tokens, then run `hf auth login` or set HF_TOKEN",
        403: f"the token may not write to {repo}; give it that right at {endpoint}/settings/tokens "
        f"or take a name of your own for --repo",
        404: f"no {repo} that this token may see; check OWNER, and that the token may write there",
        409: "the repository was changed in the meantime; run the same command again",
        412: "the repository was changed in the meantime; run the same command again",
        413: "a file is too large for the hub",
        429: "too many requests; wait, then run the same command again",
    }
    try:
        yield
    except JuristError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = (error.server_message or "").strip().replace(token, "***")
        what = advice.get(status, "the hub failed; nothing was changed, run the command again")
        raise EngineError(
            f"{endpoint}: {repo}: {what} (HTTP {status}{f': {said}' if said else ''})"
        ) from None
    except (unreachable, OSError) as error:
        proxy = " through HTTPS_PROXY" if os.environ.get("HTTPS_PROXY") else ""
        raise EngineError(
            f"{endpoint}: cannot be reached{proxy}: {str(error).replace(token, '***')}"
        ) from None
    except ValueError as error:  # of a card that the hub refuses
        raise ConfigError(f"{repo}: {str(error).replace(token, '***')}") from None
