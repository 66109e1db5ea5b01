"""Read environment variables, with a clear error for an invalid value."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True}
_BOOLEANS |= {"": False, "0": False, "false": False, "no": False, "off": False}


class Env(environ.Env):  # type: ignore[misc]  # it has no types
    """Environment variables, read with stricter types than django-environ's."""

    def int(self, var: str, default: Any = environ.Env.NOTSET) -> int:
        """Return a variable as an integer.

        Raises:
            ImproperlyConfigured: it has another value.
        """
        try:
            return int(super().int(var, default))
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} must be a whole number.") from error

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        """Return a variable as a boolean.

        Raises:
            ImproperlyConfigured: it is neither 1 nor 0, nor a word such as yes or off. A
                typing error must not disable a protection.
        """
        try:
            return _BOOLEANS[str(super().str(var, default)).strip().lower()]
        except KeyError as error:
            raise ImproperlyConfigured(f"{var} must be 1 or 0.") from error
