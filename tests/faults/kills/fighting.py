"""Takes a lock again and again, against others who do; says how often, and what it was told.

python fighting.py LOCK SECONDS
"""

import json
import re
import socket
import sys
import time
from collections import Counter
from pathlib import Path

from jurist.errors import ConfigError
from jurist.storage import locked

NAMED = re.compile(rf"in use by process \d+ on {re.escape(socket.gethostname())}; wait")


def main(path: str, seconds: str) -> None:
    counts = Counter[str]()
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        try:
            with locked(Path(path)):
                counts["held"] += 1
        except ConfigError as error:
            if NAMED.search(str(error)):
                counts["refused"] += 1
            else:
                counts[str(error)] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
