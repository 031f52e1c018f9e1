"""The server held to its own description by schemathesis, which makes up requests from it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Two things that a schema does not say: how many of one field go with how many of another, and what
# a judge makes of a text. So what fits the schema may still be refused, and that is not checked.
SETTINGS = """\
[checks]
positive_data_acceptance.enabled = false
negative_data_rejection.expected-statuses = ["400", "401", "404", "405", "413", "422"]
"""


@pytest.mark.fault(23, "by its own schema")
def test_the_server_does_what_it_says_of_itself(serve, make_stating, tmp_path, size):
    """A judge of single responses, which has a number for everything: no answer may be a 5xx."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("schemathesis is not installed")
    key = "s3cret-key"
    served = serve(
        make_stating(lambda first, second: 0.8 if len(first) > len(second) else 0.2),
        scorer=lambda prompts, responses: [float(len(one) % 7) for one in responses],
        key=key,
    )
    schema = tmp_path / "openapi.json"
    status, content, _ = served.send("GET", "/openapi.json", Authorization=f"Bearer {key}")
    assert status == 200
    schema.write_text(json.dumps(content), "utf-8")
    (tmp_path / "schemathesis.toml").write_text(SETTINGS, "utf-8")
    command = [program, "run", str(schema), "--url", served.url, "--seed", "1", "--no-color"]
    command += ["--header", f"Authorization: Bearer {key}", "--phases", "coverage,fuzzing"]
    command += ["--max-examples", str(size(2, 20)), "--request-timeout", "60"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
