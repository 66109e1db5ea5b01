"""`make bench`: each figure, measured in this run. Names of modules choose some of them."""

import importlib
import sys

from benchmarks import verdicts

ALL = ("latency", "cpu", "ledger", "audio", "logins", "outbound")


def main() -> None:
    """Run the benchmarks named on the command line, or all; fail if one is too slow."""
    for name in sys.argv[1:] or ALL:
        print(f"--- {name}")
        importlib.import_module(f"benchmarks.{name}").main()
    verdicts.exit_if_missed()


if __name__ == "__main__":
    main()
