"""The HTTP client for calls to other servers."""

from kit.http.addresses import look_up
from kit.http.client import Response, call
from kit.http.clock import Limits
from kit.http.errors import (
    Aborted,
    Broken,
    CallFailed,
    Incomplete,
    InvalidRequest,
    TimedOut,
    TLSFailed,
    TooLong,
    Unreachable,
)

__all__ = [
    "Aborted",
    "Broken",
    "CallFailed",
    "Incomplete",
    "InvalidRequest",
    "Limits",
    "Response",
    "TLSFailed",
    "TimedOut",
    "TooLong",
    "Unreachable",
    "call",
    "look_up",
]
