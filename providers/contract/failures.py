"""From a vendor's refusal to a `ProviderError`.

What a vendor writes may quote the text that was to be spoken, so of its words only codes
reach our logs: short, and of the letters that codes have. What is of another type than the
vendor documents is taken for nothing at all.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from providers.contract.base import Failure, ProviderError
from providers.contract.http import Response

_CODE = re.compile(r"[A-Za-z][\w.:+-]{0,59}")

_BY_STATUS = {
    400: Failure.BAD_REQUEST,
    401: Failure.BAD_KEY,
    402: Failure.QUOTA,
    403: Failure.BAD_KEY,
    404: Failure.BAD_REQUEST,
    408: Failure.TIMEOUT,
    409: Failure.BUSY,
    413: Failure.TOO_LONG,
    429: Failure.RATE_LIMITED,
    503: Failure.BUSY,
    504: Failure.TIMEOUT,
    529: Failure.BUSY,
}


def error_from_response(
    answer: Response,
    codes_in: Callable[[Any], list[object]],
    kinds: Mapping[str, Failure],
) -> ProviderError:
    """Return what an answer that is no success means.

    Args:
        codes_in: finds the vendor's codes in the error's body, the most telling first.
        kinds: what its codes mean; without one of these the status decides.
    """
    body = answer.error()
    codes = [code for code in codes_in(body) if isinstance(code, str)]
    kind = next((kinds[code] for code in codes if code in kinds), None)
    return provider_error(answer, kind or failure_for_status(answer.status), *codes)


def provider_error(answer: Response, kind: Failure, *codes: str) -> ProviderError:
    """Return the error of `kind` with what may be told of an answer."""
    named = [code for code in codes if _CODE.fullmatch(code)]
    return ProviderError(
        kind,
        " ".join([str(answer.status), *dict.fromkeys(named)]),
        retry_after=answer.retry_after if kind.is_retryable else None,
    )


def failure_for_status(status: int) -> Failure:
    """Return what a status means when nothing more is known."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Failure.BAD_REQUEST if 400 <= status < 500 else Failure.DOWN


def value_at(value: object, *path: str) -> Any:
    """Return what lies at `path` in nested objects, or None where there is no such."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def list_at(value: object, *path: str) -> list[Any]:
    """Return the list that lies at `path` in nested objects; empty if none does."""
    found = value_at(value, *path)
    return found if isinstance(found, list) else []


def text_at(value: object, *path: str) -> str:
    """Return the text that lies at `path` in nested objects; empty if none does."""
    found = value_at(value, *path)
    return found if isinstance(found, str) else ""


def finite_number(value: object) -> float | None:
    """Return a number of JSON, unless it is none or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
