"""`python -m jurist` is `jurist`."""

import signal


def main() -> None:
    """Run the command line, and have Ctrl-C end it without a traceback from its first moment on."""
    # While the program is loaded and while it is taken apart, nothing is there that would have to
    # be brought to an end, and nobody to catch an exception.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from jurist import cli

    try:
        cli.main()
    finally:
        cli.let_signals_end()


if __name__ == "__main__":
    main()
