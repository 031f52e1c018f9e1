"""Ask whether a version of requirements-ci.lock has a known vulnerability, where that can be asked.

    python scripts/audit.py    exit with 1 if one is known; 0 if none is, or nobody could be asked

pip-audit does the asking. That a service cannot be reached is no fault of the code, and is said: to
have found nothing because nothing was looked up must not read like good news.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements-ci.lock"
SERVICES = ("osv", "pypi")
"""Asked in this order, until one of them knows the packages."""


def main() -> int:
    """Ask the services one after the other."""
    unasked: list[str] = []
    for service in SERVICES:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip_audit", "--vulnerability-service", service),
                *("--requirement", str(LOCK), "--no-deps", "--disable-pip", "--timeout", "15"),
                *("--progress-spinner", "off", "--format", "json"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        found = read(done.stdout)
        if found is None:
            last = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            unasked.append(f"{service}: {(last or ['no answer'])[-1][:200]}")
            continue
        looked_up = [one for one in found if "skip_reason" not in one]
        known = list(vulnerabilities(looked_up))
        if known:
            print("\n".join(known))
            print(f"{len(known)} known vulnerabilities; raise these versions, then `make lock`")
            return 1
        if len(looked_up) == len(found):
            print(f"{LOCK.name}: {len(found)} packages, no known vulnerability ({service})")
            return 0
        unasked.append(f"{service}: knows {len(looked_up)} of {len(found)} packages")
    print(f"{LOCK.name}: not audited, for no service could be asked ({'; '.join(unasked)})")
    return 0


def read(output: str) -> list[dict[str, Any]] | None:
    """What was found of each package, or None if nothing was."""
    try:
        return json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None


def vulnerabilities(found: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each."""
    for one in found:
        for hole in one["vulns"]:
            mended = ", ".join(hole.get("fix_versions") or []) or "nothing yet"
            yield f"{one['name']} {one['version']}: {hole['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main())
