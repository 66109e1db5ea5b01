"""Call the API of a payment gateway."""

from collections.abc import Mapping
from typing import Any

import requests

from billing.errors import GatewayFailed
from kit.db import connections
from kit.http.session import Session, session


class Client:
    """The API of one gateway: a base URL, and the headers that authenticate us."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        connect: Session | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = connect or session()
        self._session.headers.update(headers)

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON at a path; see `call`."""
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a JSON object and return the JSON that comes back; see `call`."""
        return self.call("POST", path, body=body)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one call and return the JSON of its answer; see `answer`."""
        return self.answer(
            method, path, query=query, body=body, form=form, headers=headers
        )[1]

    def answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Make one call, with a JSON body or a form; return status and JSON of its answer.

        Raises:
            GatewayRefused: it answered 4xx, so a repeated call would not help.
            GatewayFailed: it did not answer, or not with JSON and status 2xx.
        """
        connections.give_back()
        try:
            answer = self._session.request(
                method,
                self._base_url + path,
                params=query,
                json=body,
                data=form,
                headers=headers,
            )
        except requests.RequestException as error:
            # The error's message may quote the URL.
            raise GatewayFailed(type(error).__name__) from None
        status = answer.status_code
        if 400 <= status < 500 and status not in (401, 403, 408, 409, 425, 429):
            raise GatewayRefused(
                f"status {status}", answered=status, error=_json(answer)
            )
        if not 200 <= status < 300:
            raise GatewayFailed(f"status {status}")
        found = _json(answer)
        if found is None:
            raise GatewayFailed("no JSON")
        return status, found


class GatewayRefused(GatewayFailed):
    """The gateway answered that the call itself is wrong, for example 404."""

    def __init__(self, detail: str, *, answered: int, error: Any = None) -> None:
        super().__init__(detail)
        self.answered = answered  # the status of its answer
        self.error = error  # the JSON of its answer, if it was JSON


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None
