"""Turn a vendor's error response into a `ProviderError`.

A vendor's message may quote the customer's text. So only its error codes reach our logs:
short, with the characters that codes have. Values of another type than the vendor
documents are treated as missing.
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
    """Return the error for a response whose status is not a success.

    Args:
        codes_in: finds the vendor's codes in the error's body, the most specific first.
        kinds: the kind of failure by code; for other codes the status decides.
    """
    body = answer.error()
    codes = [code for code in codes_in(body) if isinstance(code, str)]
    kind = next((kinds[code] for code in codes if code in kinds), None)
    return provider_error(answer, kind or failure_for_status(answer.status), *codes)


def provider_error(answer: Response, kind: Failure, *codes: str) -> ProviderError:
    """Return an error of `kind` with the response's status and valid codes."""
    named = [code for code in codes if _CODE.fullmatch(code)]
    return ProviderError(
        kind,
        " ".join([str(answer.status), *dict.fromkeys(named)]),
        retry_after=answer.retry_after if kind.is_retryable else None,
    )


def failure_for_status(status: int) -> Failure:
    """Return the kind of failure for an HTTP status, without a known code."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Failure.BAD_REQUEST if 400 <= status < 500 else Failure.DOWN


def value_at(value: object, *path: str) -> Any:
    """Return the value at `path` in nested JSON objects; None if there is none."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def list_at(value: object, *path: str) -> list[Any]:
    """Return the list at `path` in nested JSON objects; empty if there is none."""
    found = value_at(value, *path)
    return found if isinstance(found, list) else []


def text_at(value: object, *path: str) -> str:
    """Return the text at `path` in nested JSON objects; empty if there is none."""
    found = value_at(value, *path)
    return found if isinstance(found, str) else ""


def finite_number(value: object) -> float | None:
    """Return a JSON number as a float; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
