"""`make bench`: run all benchmarks, or those whose modules are named as arguments."""

import importlib
import sys

from benchmarks import verdicts

ALL = (
    *("latency", "cpu", "web", "fairness", "claims", "ledger", "audio", "logins"),
    *("outbound", "purge"),
)


def main() -> None:
    """Run the benchmarks; exit with status 1 if a figure misses its limit."""
    for name in sys.argv[1:] or ALL:
        print(f"--- {name}")
        importlib.import_module(f"benchmarks.{name}").main()
    verdicts.exit_if_missed()


if __name__ == "__main__":
    main()
