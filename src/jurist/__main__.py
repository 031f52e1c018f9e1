"""`python -m jurist` is `jurist`."""

from jurist.cli import main

main()
