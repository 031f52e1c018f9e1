"""What a judge is, in a few digits that stand beside everything it labelled."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jurist
from jurist.digest import digest, file_digest
from jurist.recipes.checkpoints import checkpoint_folder
from jurist.recipes.judge_config import JudgeConfig
from jurist.recipes.open_judge import OpenJudge


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
        "voting": dataclasses.asdict(config.voting) if votes else None,
        "jurist": jurist.__version__,
    }
    return JudgeIdentity(fingerprint=digest(parts)[:16], parts=parts)
