"""`make bench`: run all benchmarks, or those whose modules are named as arguments."""

import importlib
import os
import sys
import tempfile

from benchmarks import verdicts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

ALL = (
    *("latency", "cpu", "web", "fairness", "claims", "ledger", "audio", "heart"),
    *("memory", "spoken", "alignment", "logins", "outbound", "purge"),
)


def main() -> None:
    """Run the benchmarks; exit with status 1 if a figure misses its limit."""
    with tempfile.TemporaryDirectory(prefix="ozvena-bench-") as home:
        os.environ["OZVENA_HOME"] = home  # of what runs in this process: the engines
        for name in sys.argv[1:] or ALL:
            print(f"--- {name}")
            importlib.import_module(f"benchmarks.{name}").main()
    verdicts.exit_if_missed()


if __name__ == "__main__":
    main()
