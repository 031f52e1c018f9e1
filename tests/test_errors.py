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
