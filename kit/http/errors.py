"""Exceptions of calls to other servers.

Their texts are for our logs. They name the kind of failure and never quote what was sent
or answered.
"""


class CallFailed(Exception):
    """A call returned no response, or an incomplete one."""

    def __init__(
        self, detail: str = "", *, address: str = "", was_sent: bool = False
    ) -> None:
        self.address = address  # the address connected to; empty without a connection
        self.was_sent = was_sent  # whether the server may have processed the request
        super().__init__(detail)


class InvalidRequest(CallFailed):
    """The URL or a header is invalid; nothing was sent."""


class Unreachable(CallFailed):
    """The name can't be resolved, its address is not allowed, or no server accepts.

    Callers can't tell which: otherwise, users who choose the name could map our network.
    """


class TLSFailed(CallFailed):
    """The server has no trusted certificate for its name, or does not speak TLS."""


class TimedOut(CallFailed):
    """A step or the whole call exceeded its timeout."""


class Broken(CallFailed):
    """The connection broke, or the response is not valid HTTP."""


class Aborted(Broken):
    """A kept connection ended after the request was sent, before a byte of the response.

    Most likely the server closed the idle connection while the request was on its way.
    It may also have received the request and then failed, and we can't know which. So the
    client does not send it again; the caller decides whether to, at most once.
    """


class Incomplete(CallFailed):
    """The response body is shorter than its Content-Length."""


class TooLong(CallFailed):
    """The response is larger than the caller's limit."""
