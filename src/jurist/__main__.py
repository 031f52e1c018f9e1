"""`python -m jurist` is `jurist`."""

import signal


def main() -> None:
    """Run the command line, and have Ctrl-C end it without a traceback from its first moment on."""
    # While the program is loaded and while it is taken apart, nothing is there that would have to
    # be brought to an end, and nobody to catch an exception.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from jurist import cli

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.main()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
