#!/usr/bin/env python
"""Django's command line for Ozvena."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from config.command_line.run import run
    except ModuleNotFoundError as error:
        if error.name != "django":
            raise
        sys.exit(
            "Django is not installed here. Use .venv/bin/python, which `make run` makes."
        )
    run(sys.argv)
