"""What a judge is, in a few digits that stand beside everything it labelled."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jurist
from jurist.data.objects import read_object
from jurist.digest import digest, file_digest
from jurist.errors import ConfigError, DataError, StoreError
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.recipes.estimate import Estimate
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import OpenJudge
from jurist.storage import write_json


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeIdentity:
    """What a judge's labels depend on, and its fingerprint."""

    fingerprint: str
    """16 digits of the digest of the parts."""

    parts: dict[str, Any]


def judge_identity(config: JudgeConfig, opened: OpenJudge) -> JudgeIdentity:
    """Name a judge by what it is: not by where its files lie, nor how fast it runs.

    The seed is not part of it: another seed is the same judge, asked again.
    """
    if config.base_url:
        # What a server runs under a name, nobody but it can tell.
        model: dict[str, Any] = {
            "served": config.model,
            "host": urlsplit(config.base_url).netloc.rpartition("@")[2],
            "api": config.api,
        }
    else:
        from jurist.models.load import weights_fingerprint

        model = {
            "files": weights_fingerprint(checkpoint_folder(config.model)),
            "bf16": config.bf16,
            "engine": config.engine,
        }
    guidelines = {
        name: file_digest(Path(path))
        for name, path in (
            ("principles", config.principles),
            ("rubric", config.rubric),
            ("references", config.references),
        )
        if path
    }
    votes = opened.kind not in ("scalar", "comparer", "direct")
    parts = {
        "model": model,
        "kind": opened.kind,
        "format": opened.format,
        "guidelines": guidelines,
        "voting": asdict(config.voting) if votes else None,
        "jurist": jurist.__version__,
    }
    return JudgeIdentity(fingerprint=digest(parts)[:16], parts=parts)


def note_judge(run: Path, identity: JudgeIdentity, estimate: Estimate) -> None:
    """Note in `judge.json` who judges and what it will cost, and refuse to go on with another one.

    Raises:
        ConfigError: If an earlier part was judged by another.
    """
    path = run / "judge.json"
    if path.exists() and (was := judge_note(run)["parts"]) != identity.parts:
        unlike = sorted(name for name in identity.parts if was.get(name) != identity.parts[name])
        raise ConfigError(
            f"{run}: begun by another judge, with another {', '.join(unlike)}; give another "
            f"--output, or the judge as it was"
        )
    write_json(path, {**asdict(identity), "estimate": asdict(estimate)})


def judge_note(run: Path) -> dict[str, Any]:
    """What `note_judge` wrote: fingerprint, parts and estimate.

    Raises:
        StoreError: If it is not there, or damaged.
    """
    path = run / "judge.json"
    try:
        return read_object(path)
    except (OSError, DataError) as error:
        raise StoreError(f"{path}: damaged ({error}); delete the run and start again") from error
