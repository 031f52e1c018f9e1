"""A checkpoint on its way to the hub, which is a fake on loopback that keeps what it is sent."""

import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

sys.path.insert(0, str(Path(__file__).parent))
from fake_hub import TOKEN, FakeHub

sys.path.pop(0)


@pytest.fixture
def hub():
    with FakeHub() as running:
        yield running


@pytest.fixture
def push(jurist, hub, tmp_path):
    def run(*arguments: object, **environment: str):
        settings = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        }
        done = jurist("push", *arguments, **settings)
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def test_the_hub_gets_the_bytes_of_the_checkpoint_and_a_card_that_names_it(push, hub, trained):
    done = push(trained, "--repo", "me/judge")
    assert done.returncode == 0, done.stderr
    assert f"sent to {hub.url}/me/judge" in done.stdout
    repo, folder = hub.repos["me/judge"], trained / "checkpoint"
    assert not repo.private
    assert set(repo.files) == {path.name for path in folder.iterdir()} - {"timings.jsonl"}
    for name, content in repo.files.items():
        if name != "README.md":
            assert content == (folder / name).read_bytes(), name
    text = repo.files["README.md"].decode()
    assert 'from_pretrained("me/judge")' in text
    assert "OWNER/NAME" not in text
    assert ModelCard(text).data.to_dict()["library_name"] == "transformers"
    assert hub.asked.count("POST /me/judge.git/info/lfs/objects/batch") == 1


def test_pushed_twice_it_is_committed_twice(push, hub, trained):
    for _ in range(2):
        assert push(trained / "checkpoint", "--repo", "me/judge").returncode == 0
    assert len(hub.repos["me/judge"].commits) == 2


def test_the_report_goes_only_when_it_is_asked_for(push, hub, trained):
    assert push(trained, "--repo", "me/judge", "--include-report").returncode == 0
    files = hub.repos["me/judge"].files
    assert files["report.html"] == (trained / "report.html").read_bytes()
    assert "completions.sqlite" not in files


def test_private_makes_it_private_and_refuses_one_that_is_public(push, hub, trained):
    assert push(trained, "--repo", "me/secret", "--private").returncode == 0
    assert hub.repos["me/secret"].private
    assert push(trained, "--repo", "me/open").returncode == 0
    before = list(hub.repos["me/open"].commits)
    done = push(trained, "--repo", "me/open", "--private")
    assert done.returncode == 2
    assert "everybody may read it" in done.stderr
    assert hub.repos["me/open"].commits == before


def test_a_dry_run_says_what_would_go_and_asks_nobody(push, hub, trained):
    done = push(trained, "--repo", "me/judge", "--dry-run")
    assert done.returncode == 0
    assert "model.safetensors" in done.stdout
    assert "nothing was sent" in done.stdout
    assert hub.asked == []


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "optimizer.safetensors", "completions.sqlite", "modeling_x.py", ".env"]
)
def test_what_is_no_part_of_a_checkpoint_is_refused(push, hub, trained, tmp_path, name):
    folder = shutil.copytree(trained / "checkpoint", tmp_path / "checkpoint")
    (folder / name).write_bytes(b"x")
    done = push(folder, "--repo", "me/judge")
    assert done.returncode == 2
    assert name in done.stderr
    assert hub.asked == []


def test_damaged_weights_are_refused(push, hub, trained, tmp_path):
    folder = shutil.copytree(trained / "checkpoint", tmp_path / "checkpoint")
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    done = push(folder, "--repo", "me/judge")
    assert done.returncode == 5
    assert "SHA-256" in done.stderr
    assert hub.asked == []


@pytest.mark.parametrize(
    ("part", "status", "words"),
    [
        ("repos/create", 401, "hf auth login"),
        ("repos/create", 403, "may not write to me/judge"),
        ("/commit/", 409, "run the same command again"),
        ("repos/create", 500, "the hub failed"),
        ("/commit/", 413, "too large"),
    ],
)
def test_what_the_hub_refuses_is_told_with_what_to_do(push, hub, trained, part, status, words):
    hub.refuses = {part: status}
    done = push(trained, "--repo", "me/judge")
    assert done.returncode == 4
    said = " ".join(done.stderr.split())
    assert words in said
    assert f"HTTP {status}" in said
    assert not hub.repos.get("me/judge") or not hub.repos["me/judge"].commits


def test_without_a_token_or_a_network_it_says_so_first(push, hub, trained):
    done = push(trained, "--repo", "me/judge", HF_TOKEN="")
    assert (done.returncode, hub.asked) == (2, [])
    assert "hf auth login" in done.stderr
    done = push(trained, "--repo", "me/judge", HF_HUB_OFFLINE="1")
    assert (done.returncode, hub.asked) == (2, [])
    assert "HF_HUB_OFFLINE" in done.stderr
    done = push(trained, "--repo", "me/judge", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize("repo", ["judge", "a/b/c", "me/", "me/ju dge"])
def test_a_repository_is_owner_and_name(push, trained, repo):
    done = push(trained, "--repo", repo)
    assert done.returncode == 2
    assert "OWNER/NAME" in done.stderr


def test_a_folder_that_is_no_checkpoint_is_refused(push, tmp_path):
    (tmp_path / "empty").mkdir()
    done = push(tmp_path / "empty", "--repo", "me/judge")
    assert done.returncode == 2
    assert "no checkpoint" in done.stderr
    done = push(tmp_path / "nowhere", "--repo", "me/judge")
    assert done.returncode == 2
    assert "no such folder" in done.stderr
