import subprocess
import sys

import pytest

from jurist import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.DataError, 3),
        (errors.EngineError, 4),
        (errors.StoreError, 5),
        (errors.TrainingError, 1),
    ],
)
def test_each_error_has_its_exit_code(kind, code):
    assert kind.exit_code == code
    assert issubclass(kind, errors.JuristError)


@pytest.mark.parametrize("short", [False, True])
def test_a_lost_error_of_the_interpreter_is_of_memory_where_there_is_none(short):
    """As an import ends that found no room for its own error."""
    lost = "SystemError('error return without exception set')"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (0, 0));" if short else ""
    script = (
        f"from jurist.errors import is_out_of_memory; error = {lost}; {limit}"
        f"print(is_out_of_memory(error))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{short}\n", done.stderr
