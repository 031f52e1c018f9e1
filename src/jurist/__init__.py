"""Generative reward models: judges that reason, trained on what people prefer."""

__version__ = "0.1.0"
