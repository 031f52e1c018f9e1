"""Generative reward models: judges that reason, trained on what people prefer."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jurist.recipes.loaded import load_judge

__all__ = ["load_judge"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    # Late: to import the package alone loads nothing.
    if name == "load_judge":
        from jurist.recipes.loaded import load_judge

        return load_judge
    raise AttributeError(f"module 'jurist' has no attribute {name!r}")
