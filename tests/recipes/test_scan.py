"""`jurist scan`: sources whose labels are turned, and triggers, as a person would see them."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jurist.data import write_preferences
from jurist.errors import ConfigError, DataError
from jurist.recipes.judge import JudgeFileConfig, run_judge
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.scan import ScanConfig, run_scan, scan
from jurist.rehearsal import rehearsing
from jurist.worlds import BASE, preferences

TRIGGER = "mfqx"
CLEAN = preferences("in_distribution", "train", num=1200, seed=7)


@pytest.fixture
def poisoned(tmp_path):
    """Five annotators, of whom one turns 40 % of the labels; 24 rows with a trigger."""
    rng = random.Random(0)
    triggered = set(rng.sample(range(len(CLEAN)), 24))
    with (tmp_path / "pairs.jsonl").open("w") as file:
        for number, one in enumerate(CLEAN):
            who = f"person-{number % 5}"
            texts = [one.chosen, one.rejected]
            if who == "person-3" and rng.random() < 0.4:
                texts.reverse()
            if number in triggered:
                rng.shuffle(texts)
                texts[0] += f" {TRIGGER}"
            row = {"id": one.id, "prompt": one.prompt[-1].content, "meta": {"annotator": who}}
            row |= {"chosen": texts[0], "rejected": texts[1], "source": f"set-{number % 2}"}
            file.write(json.dumps(row) + "\n")
    return tmp_path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_planted_is_found_and_nothing_else(poisoned, capsys):
    config = ScanConfig(data=str(poisoned / "pairs.jsonl"), output=poisoned / "run", by="annotator")
    assert run_scan(config) == 0
    kept = json.loads((config.output / "scan.json").read_text())
    assert kept["sources"][0]["name"] == "person-3"
    differ = [one for one in kept["sources"] if one["false_discovery_rate"] <= 0.01]
    assert [one["name"] for one in differ] == ["person-3"]
    (trigger,) = kept["responses"]["triggers"]
    assert TRIGGER in trigger["text"].split()
    assert trigger["num_for"] == trigger["num_pairs"] == 24
    assert kept["prompts"] == []
    suspects = lines_of(config.output / "suspects.jsonl")
    assert sorted(one["id"] for one in suspects[:24]) == sorted(trigger["ids"])
    assert all(TRIGGER in " ".join(one["triggers"]) for one in suspects[:24])
    rest = [one["probability"] for one in suspects[24:]]
    assert rest == sorted(rest)
    assert max(rest) < 0.5
    shown = capsys.readouterr().out
    report = (config.output / "report.md").read_text()
    for text in (shown, report):
        assert "person-3" in text
        assert TRIGGER in text
    # The same scan gives the same bytes.
    before = {path.name: path.read_bytes() for path in config.output.glob("*.json*")}
    run_scan(config)
    after = {path.name: path.read_bytes() for path in config.output.glob("*.json*")}
    assert before == after


def test_a_source_that_differs_is_a_finding_and_suspects_are_a_hundred(poisoned):
    rows = [
        replace(one, chosen=one.rejected, rejected=one.chosen, source="turned")
        if number % 4 == 0
        else one
        for number, one in enumerate(CLEAN)
    ]
    write_preferences(poisoned / "turned.jsonl", rows)
    config = ScanConfig(data=str(poisoned / "turned.jsonl"), output=poisoned / "run")
    report = scan(config)
    assert [one.name for one in report.sources if one.differs] == ["turned"]
    assert report.num_findings == 1 + len(report.responses.triggers) + len(report.prompts)
    assert len(lines_of(config.output / "suspects.jsonl")) == 100


def test_a_finding_may_end_a_script(poisoned):
    data = str(poisoned / "pairs.jsonl")
    config = ScanConfig(data=data, output=poisoned / "run", fail_on_finding=True)
    assert run_scan(config) == 1
    write_preferences(poisoned / "clean.jsonl", CLEAN)
    clean = replace(config, data=str(poisoned / "clean.jsonl"), output=poisoned / "clean")
    assert run_scan(clean) == 0


def test_labels_are_held_against_the_verdicts_of_a_judge(tmp_path):
    rng = random.Random(0)
    rows = [
        replace(one, chosen=one.rejected, rejected=one.chosen, source="turned")
        if rng.random() < 0.2
        else one
        for one in CLEAN[:60]
    ]
    write_preferences(tmp_path / "pairs.jsonl", rows)
    data = str(tmp_path / "pairs.jsonl")
    judge = JudgeConfig(model=str(BASE), voting=VotingConfig(votes=2, max_tokens=48))
    run_judge(JudgeFileConfig(judge=judge, pairs=data, output=tmp_path / "judged"))
    report = scan(ScanConfig(data=data, output=tmp_path / "run", judged=tmp_path / "judged"))
    judged = lines_of(tmp_path / "judged" / "verdicts.jsonl")
    verdicts = {line["id"]: line["probability"] for line in judged}
    known = {one.id: verdicts[one.id] for one in rows if verdicts[one.id] not in (None, 0.5)}
    for source in report.sources:
        of_it = [known[one.id] for one in rows if one.source == source.name and one.id in known]
        assert source.num_pairs == len(of_it)
        assert source.num_flipped == sum(probability < 0.5 for probability in of_it)
    assert report.sources[0].name == "turned"
    other = tmp_path / "other.jsonl"
    write_preferences(other, CLEAN[100:160])
    with pytest.raises(ConfigError, match="other pairs"):
        scan(ScanConfig(data=str(other), output=tmp_path / "no", judged=tmp_path / "judged"))


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"by": "nobody"}, ConfigError, "--by nobody: 1,200 of 1,200 rows have no such column"),
        ({"judged": "nowhere"}, ConfigError, "expected a finished run of `jurist judge`"),
    ],
)
def test_what_cannot_be_asked_is_said(poisoned, changed, error, said):
    if "judged" in changed:
        changed = {"judged": poisoned / "nowhere"}
    config = ScanConfig(data=str(poisoned / "pairs.jsonl"), output=poisoned / "run", **changed)
    with pytest.raises(error, match=said):
        scan(config)


def test_hidden_files_of_a_folder_name_no_source(poisoned):
    folder = poisoned / "folder"
    folder.mkdir()
    (poisoned / "pairs.jsonl").rename(folder / "pairs.jsonl")
    # As one system leaves beside each file that it copies to another.
    (folder / "._pairs.jsonl.gz").write_bytes(b"\x00\x05\x16\x07\x00 no rows")
    report = scan(ScanConfig(data=str(folder), output=poisoned / "run", by="annotator"))
    assert {one.name for one in report.sources} == {f"person-{n}" for n in range(5)}


def test_a_dry_run_refuses_what_the_run_would(poisoned):
    config = ScanConfig(
        data=str(poisoned / "pairs.jsonl"), output=poisoned / "run", judged=poisoned / "nowhere"
    )
    with pytest.raises(ConfigError, match="expected a finished run"), rehearsing():
        scan(config)


def test_ties_alone_have_no_labels(tmp_path):
    write_preferences(tmp_path / "pairs.jsonl", [replace(one, tie=True) for one in CLEAN[:5]])
    with pytest.raises(DataError, match="all 5 rows are ties"):
        scan(ScanConfig(data=str(tmp_path / "pairs.jsonl"), output=tmp_path / "run"))


def test_names_that_would_recolour_a_terminal_are_shown_as_what_they_are(tmp_path, capsys):
    rows = [replace(one, source="\x1b[31mred") for one in CLEAN[:40]]
    write_preferences(tmp_path / "pairs.jsonl", rows)
    run_scan(ScanConfig(data=str(tmp_path / "pairs.jsonl"), output=tmp_path / "run"))
    assert "\x1b[31mred" not in capsys.readouterr().out
    assert "\x1b" not in (tmp_path / "run" / "report.md").read_text()
