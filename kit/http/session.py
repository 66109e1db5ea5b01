"""Sessions of `requests` that call by `kit.http.call`.

For callers, and libraries, that want the comfort of `requests`. What a session can't do is
what our client can't: follow a redirect, use a proxy or a password file of the environment,
retry, or wait longer in all than its limits.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.response import HTTPResponse

from kit.http import addresses
from kit.http.addresses import IPAddress
from kit.http.client import call
from kit.http.clock import Limits
from kit.http.errors import CallFailed, TimedOut

LIMITS = Limits(connect=5, first_byte=15, quiet=10, total=25)
_LONGEST = 4 * 1024 * 1024  # bytes of a response


class Session(requests.Session):
    """A session whose redirects are responses like any other."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: a redirect could lead a secret to another host."""
        return


def session(
    limits: Limits = LIMITS,
    *,
    may_connect: Callable[[IPAddress], bool] = addresses.is_server_address,
) -> Session:
    """Return a session for one server, whose calls take no longer than `limits`.

    `may_connect` decides about each address that the host's name resolves to. The texts of
    its exceptions name the kind of failure, and never what was sent.
    """
    made = Session()
    made.trust_env = False
    made.headers.clear()
    made.adapters.clear()
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Transport(limits, may_connect))
    return made


class _Transport(BaseAdapter):
    """Sends the requests of a session."""

    def __init__(
        self, limits: Limits, may_connect: Callable[[IPAddress], bool]
    ) -> None:
        super().__init__()
        self._limits = limits
        self._may_connect = may_connect

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request and return the whole response; only `request` counts.

        Raises:
            requests.Timeout: it took longer than the limits.
            requests.ConnectionError: there is no response, or not all of it.
        """
        body: Any = request.body
        sent = body.encode() if isinstance(body, str) else body
        headers = {
            name: str(value)
            for name, value in request.headers.items()
            if name.lower() not in {"content-length", "accept-encoding", "connection"}
        }
        try:
            with call(
                str(request.method),
                str(request.url),
                headers,
                sent,
                limits=self._limits,
                resolve=self._resolve,
            ) as response:
                status, received = response.status, response.headers
                content = b"".join(response.parts(_LONGEST))
        except TimedOut:
            raise requests.Timeout("TimedOut") from None
        except CallFailed as error:
            raise requests.ConnectionError(type(error).__name__) from None
        raw = HTTPResponse(
            BytesIO(content),
            headers=dict(received.items()),
            status=status,
            preload_content=False,
            decode_content=False,
        )
        answer = requests.Response()
        answer.status_code = status
        answer.headers.update(received.items())
        answer.encoding = "utf-8"
        answer.raw, answer.request = raw, request
        answer.url = str(request.url).partition("?")[0]
        return answer

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def _resolve(self, host: str, port: int, seconds: float) -> Sequence[IPAddress]:
        found = addresses.look_up(host, port, seconds)
        return addresses.check_addresses(host, found, self._may_connect)
