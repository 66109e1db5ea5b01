"""Reading the environment, with one clear line for what can't be read."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True}
_BOOLEANS |= {"": False, "0": False, "false": False, "no": False, "off": False}


class Env(environ.Env):  # type: ignore[misc]  # it has no types
    """The variables, each read as the type that its setting has."""

    def int(self, var: str, default: Any = environ.Env.NOTSET) -> int:
        """Return a whole number.

        Raises:
            ImproperlyConfigured: the variable holds something else.
        """
        try:
            return int(super().int(var, default))
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} must be a whole number.") from error

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        """Return whether a switch is on.

        Raises:
            ImproperlyConfigured: the variable holds something else than 1 or 0, or a word
                for it; a typing error must not turn off what protects.
        """
        try:
            return _BOOLEANS[str(super().str(var, default)).strip().lower()]
        except KeyError as error:
            raise ImproperlyConfigured(f"{var} must be 1 or 0.") from error
