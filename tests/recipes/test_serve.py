"""What `jurist serve` refuses before it loads anything, and a server that is started again."""

import json

import pytest

from jurist.errors import ConfigError, DataError
from jurist.recipes.judge_config import JudgeConfig, VotingConfig
from jurist.recipes.loaded import LoadedJudge
from jurist.recipes.serve import ServeConfig, run_serve, service_of
from jurist.worlds import BASE

JUDGE = JudgeConfig(model="nowhere")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"port": 70000}, "--port must be from 0 to 65535"),
        ({"cohort_size": 1}, "--cohort-size must be at least 2"),
        ({"num_opponents": 1}, "--num-opponents must be at least 2"),
        ({"window_seconds": 0.0}, "--window-seconds must be positive"),
        ({"window_seconds": float("nan")}, "--window-seconds must be positive"),
        ({"max_batch": 0}, "--max-batch must be positive"),
        ({"max_waiting": 0}, "--max-waiting must be positive"),
        ({"max_body_mib": -1.0}, "--max-body-mib must be positive"),
        ({"end_texts": ("",)}, "--end-texts names an empty text"),
    ],
)
def test_settings_that_cannot_be_served_are_said_by_their_flag(settings, said):
    with pytest.raises(ConfigError, match=said):
        ServeConfig(judge=JUDGE, **settings)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_beyond_this_machine_only_with_a_key(host, monkeypatch):
    monkeypatch.delenv("JURIST_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="set JURIST_API_KEY to a key"):
        run_serve(ServeConfig(judge=JUDGE, host=host, port=0))


def test_without_the_extra_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'jurist\[serve\]'"):
        run_serve(ServeConfig(judge=JUDGE, port=0))


def test_a_budget_over_a_whole_set_cannot_be_served():
    judge = JudgeConfig(model=str(BASE), voting=VotingConfig(votes=2, mean_votes=2.0))
    with LoadedJudge(judge) as loaded, pytest.raises(ConfigError, match="use --stop-at"):
        service_of(ServeConfig(judge=judge), loaded)


def test_references_that_are_kept_are_read_and_a_bad_line_is_said_by_its_number(tmp_path):
    path = tmp_path / "against.jsonl"
    rows = [{"prompt": "Q", "reference": "two"}, {"prompt": "Q", "reference": "three"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"against\.jsonl:2: expected one reference for each prompt"
    ):
        run_serve(ServeConfig(judge=JUDGE, against=str(path), port=0))
