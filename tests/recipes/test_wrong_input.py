"""What a user does wrong, or the machine to the user: one clear error, the right exit code."""

import gzip
import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest

from jurist.worlds import BASE

ROW = {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"}


def assert_one_clear_error(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    for word in words:
        assert str(word) in said, (word, said)
    assert said.count("jurist: ") == 1


def train(jurist, path, output, *more, model=BASE):
    return jurist("star-sft", "--model", model, "--train", path, "--output", output, *more)


def test_a_missing_file_is_named(jurist, tmp_path):
    done = train(jurist, tmp_path / "nowhere.jsonl", tmp_path / "run")
    assert_one_clear_error(done, 3, tmp_path / "nowhere.jsonl")


def test_columns_of_no_known_layout_are_listed(jurist, tmp_path, write_rows):
    path = write_rows({"question": "2 + 2?", "good": "4", "bad": "5"})
    done = train(jurist, path, tmp_path / "run")
    assert_one_clear_error(done, 3, path, "question")


def test_a_layout_that_does_not_exist_is_refused_with_those_that_do(jurist, tmp_path, write_rows):
    done = train(jurist, write_rows(ROW), tmp_path / "run", "--layout", "nonsense")
    assert_one_clear_error(done, 2, "nonsense", "rewardbench")


def test_an_empty_response_is_named_by_file_and_line(jurist, tmp_path, write_rows):
    path = write_rows(ROW, {**ROW, "rejected": "  "})
    done = train(jurist, path, tmp_path / "run")
    assert_one_clear_error(done, 3, f"{path}:2", "rejected")


def test_two_responses_that_are_the_same_are_named_by_file_and_line(jurist, tmp_path, write_rows):
    path = write_rows(ROW, ROW, {**ROW, "rejected": "4"})
    assert_one_clear_error(train(jurist, path, tmp_path / "run"), 3, f"{path}:3")


@pytest.mark.fault(8, "corpus")
def test_a_truncated_gzip_is_named_with_its_last_whole_line(jurist, tmp_path):
    whole = gzip.compress(b"".join(json.dumps({**ROW, "id": i}).encode() + b"\n" for i in range(9)))
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(whole[:-20])
    assert_one_clear_error(train(jurist, path, tmp_path / "run"), 3, path)


@pytest.mark.fault(8, "corpus")
def test_bytes_that_are_not_utf8_are_named_by_file_and_line(jurist, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(
        json.dumps(ROW).encode()
        + b"\n"
        + b'{"prompt": "caf\xe9", "chosen": "a", "rejected": "b"}\n'
    )
    assert_one_clear_error(train(jurist, path, tmp_path / "run"), 3, f"{path}:2", "UTF-8")


@pytest.mark.fault(8, "corpus")
def test_a_margin_that_is_not_a_number_is_named_by_file_and_line(jurist, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({**ROW, "margin": float("nan")}) + "\n")
    assert_one_clear_error(train(jurist, path, tmp_path / "run"), 3, f"{path}:2", "NaN")


@pytest.mark.fault(8, "corpus")
def test_skip_bad_keeps_the_bad_rows_and_counts_them(jurist, tmp_path, write_rows):
    path = write_rows(*({**ROW, "prompt": f"2 + {i}?"} for i in range(40)), {**ROW, "chosen": ""})
    done = train(jurist, path, tmp_path / "run", "--skip-bad", model="no/such-model")
    assert_one_clear_error(done, 2, "1 bad row", "no/such-model")
    (rejected,) = (tmp_path / "run" / "rejects" / "train.jsonl").read_text().splitlines()
    assert json.loads(rejected)["line"] == 41


def test_an_unknown_model_is_named(jurist, tmp_path, world):
    done = train(
        jurist,
        world / "train.jsonl",
        tmp_path / "run",
        "--test",
        world / "test.jsonl",
        model="no/such-model",
    )
    assert_one_clear_error(done, 2, "no/such-model")


def test_a_model_without_a_chat_template_is_refused(jurist, tmp_path, world):
    model = shutil.copytree(BASE, tmp_path / "bare")
    (model / "chat_template.jinja").unlink(missing_ok=True)
    config = json.loads((model / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    done = train(
        jurist,
        world / "train.jsonl",
        tmp_path / "run",
        "--test",
        world / "test.jsonl",
        model=model,
    )
    assert_one_clear_error(done, 2, model, "chat template")


def evaluate_served(jurist, url, world, output, **environment):
    return jurist(
        "evaluate",
        "--model",
        "served",
        "--base-url",
        url,
        "--test",
        world / "test.jsonl",
        "--output",
        output,
        **environment,
    )


def test_an_unreachable_server_is_named(jurist, tmp_path, world):
    url = "http://127.0.0.1:9/v1"  # the discard port: nothing listens there
    done = evaluate_served(jurist, url, world, tmp_path / "run")
    assert_one_clear_error(done, 4, url)


def test_a_wrong_key_stops_the_run_and_is_not_shown(jurist, tmp_path, world):
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(401)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        key = "sk-canary-0123456789"
        done = evaluate_served(jurist, url, world, tmp_path / "run", OPENAI_API_KEY=key)
    finally:
        server.shutdown()
        server.server_close()
    assert_one_clear_error(done, 4, "401", "OPENAI_API_KEY")
    assert key not in done.stdout + done.stderr
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a file system of its own needs the right to mount one")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.fault(4, "full disk")
def test_a_full_disk_ends_the_run_and_keeps_what_was_stored(jurist, small_disk, tmp_path, world):
    output = small_disk / "run"
    arguments = ["--rounds", "1", "--votes", "1", "--max-tokens", "64", "--batch-size", "4"]
    arguments += ["--test", str(world / "test.jsonl")]
    done = train(jurist, world / "train.jsonl", output, *arguments)
    assert_one_clear_error(done, 5, output)
    # What a training works in goes when it ends.
    lasting = (path for path in output.rglob("*.json") if path.parent.suffix != ".training")
    kept = {path: path.read_bytes() for path in lasting}
    assert kept
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = train(jurist, world / "train.jsonl", output, *arguments)
    assert again.returncode == 0, again.stderr
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_folder_that_cannot_be_written_is_named(jurist, tmp_path, world):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    done = train(jurist, world / "train.jsonl", blocked / "run")
    assert_one_clear_error(done, 5, blocked)


def test_a_test_set_that_is_trained_on_is_refused(jurist, tmp_path, world):
    path = world / "train.jsonl"
    done = train(jurist, path, tmp_path / "run", "--test", f"again={path}")
    assert_one_clear_error(done, 3, "--allow-overlap")


def test_a_prompt_longer_than_the_context_is_refused_before_any_sampling(
    jurist, tmp_path, write_rows, world
):
    path = write_rows({"prompt": "4 + 7", "chosen": "1 " * 3000, "rejected": "2 " * 3000})
    done = jurist("evaluate", "--model", BASE, "--test", path, "--output", tmp_path / "run")
    assert_one_clear_error(done, 3, "context")


def test_a_run_of_other_settings_is_refused_by_the_first_that_differs(jurist, tmp_path, world):
    output = tmp_path / "run"
    train(jurist, world / "train.jsonl", output, model="no/such-model")
    (output / "round-1").mkdir()
    done = train(jurist, world / "train.jsonl", output, "--seed", "7", model="no/such-model")
    assert_one_clear_error(done, 2, "seed", "7")


def test_a_key_is_never_written_into_the_config(jurist, tmp_path, world):
    key = "sk-canary-9876543210"
    evaluate_served(jurist, "http://127.0.0.1:9/v1", world, tmp_path / "run", OPENAI_API_KEY=key)
    assert key not in (tmp_path / "run" / "config.json").read_text()
    assert os.path.exists(tmp_path / "run" / "environment.json")
