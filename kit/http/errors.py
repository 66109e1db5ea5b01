"""Why a call to another server failed.

The texts are for our logs: they name the kind of trouble and never quote what was sent or
answered.
"""


class CallFailed(Exception):
    """A call gave no answer, or not all of it."""

    def __init__(self, detail: str = "", *, address: str = "") -> None:
        self.address = address  # that was connected to; empty if none was
        super().__init__(detail)


class InvalidRequest(CallFailed):
    """The URL or a header can't be sent; nothing was."""


class Unreachable(CallFailed):
    """The name leads nowhere, or where we don't go, or nothing accepts a connection.

    Callers can't tell which: it would map our network to those who choose the name.
    """


class TLSFailed(CallFailed):
    """The server has no certificate that we trust for its name, or speaks no TLS."""


class TimedOut(CallFailed):
    """A step, or the whole call, took longer than it may."""


class Broken(CallFailed):
    """The connection broke, or what came is not HTTP."""


class Aborted(Broken):
    """A kept connection ended after the request had left, before a byte of the answer.

    Most likely the server closed it for being idle while the request was on its way. That
    can't be told from a server that took the request and then failed, so the client does
    not send it again: whether to is for the caller to decide, at most once.
    """


class Incomplete(CallFailed):
    """The body is shorter than the answer said."""


class TooLong(CallFailed):
    """The answer is longer than the caller takes."""
