"""`make bench`: each figure, measured in this run. Names of modules choose some of them."""

import importlib
import sys

ALL = ("latency", "ledger", "audio", "logins")


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    for name in sys.argv[1:] or ALL:
        print(f"--- {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
