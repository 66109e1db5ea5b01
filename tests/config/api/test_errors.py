"""All error responses have one shape."""

import re
import threading

import psycopg
import psycopg_pool
import pytest
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import OperationalError, connection, transaction
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.http.permissions import AllowGuests
from accounts.models import Workspace
from config.api import errors
from config.urls import handler400, handler403, handler404, handler500  # noqa: F401
from config.urls import urlpatterns as ours
from kit.errors import AppError, NotFound, RateLimited
from tests import factories, threads

NOT_FOUND = b'{"code":"not_found","detail":"There is nothing here.","params":{}}'


class EmptyText(AppError):
    code = "empty_text"
    message = "There is nothing to speak."


class Body(serializers.Serializer):
    name = serializers.CharField(max_length=3)
    text = serializers.CharField(required=False)
    parts = serializers.ListField(child=serializers.IntegerField(), required=False)

    def validate_text(self, value):
        if value == "nothing":
            raise EmptyText
        return value


class Fails(APIView):
    """A view that raises the exception of a test."""

    permission_classes = [AllowGuests]
    error: Exception | None = None

    def get(self, request):
        assert Fails.error is not None
        raise Fails.error

    def post(self, request):
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data)


def fails_as_a_page(request):
    assert Fails.error is not None
    raise Fails.error


urlpatterns = [
    path("api/v1/fails", Fails.as_view()),
    path("api/v1/fails-outside-of-rest-framework", fails_as_a_page),
    path("page", fails_as_a_page),
    *ours,
]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def post(client, body, content_type="application/json"):
    return client.post("/api/v1/fails", body, content_type)


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (
            exceptions.ParseError("odd"),
            400,
            "malformed_json",
            "The body must be a JSON object: odd.",
        ),
        (
            exceptions.NotAuthenticated(),
            401,
            "authentication_required",
            "Log in, or send an API token.",
        ),
        (
            exceptions.AuthenticationFailed(),
            401,
            "invalid_token",
            "This token is not valid.",
        ),
        (
            exceptions.PermissionDenied(),
            403,
            "permission_denied",
            "You are not allowed to do this.",
        ),
        (
            PermissionDenied("secret"),
            403,
            "permission_denied",
            "You are not allowed to do this.",
        ),
        (exceptions.NotFound("Job 7"), 404, "not_found", "There is nothing here."),
        (Http404("Job 7"), 404, "not_found", "There is nothing here."),
        (NotFound(), 404, "not_found", "There is nothing here."),
        (
            exceptions.MethodNotAllowed("GET"),
            405,
            "method_not_allowed",
            "This address does not support this method.",
        ),
        (
            exceptions.UnsupportedMediaType("text/html"),
            415,
            "unsupported_media_type",
            "This content type is not supported.",
        ),
        (
            exceptions.Throttled(wait=3),
            429,
            "rate_limited",
            "Too many requests. Try again in 1 seconds.",
        ),
        (EmptyText(), 400, "empty_text", "There is nothing to speak."),
    ],
)
def test_refusals_have_one_shape(client, error, status, code, detail):
    Fails.error = error

    response = client.get("/api/v1/fails")

    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["code", "detail", "params"]
    assert (body["code"], body["detail"]) == (code, detail)
    assert response["X-Request-Id"]
    if status == 401:
        assert response["WWW-Authenticate"] == "Bearer"
    if status == 405:
        assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_parameters_and_headers_are_told(client):
    Fails.error = RateLimited(retry_after=17)

    response = client.get("/api/v1/fails")

    assert response["Retry-After"] == "17"
    assert response.json()["params"] == {"retry_after": 17}


def test_missing_and_foreign_objects_get_identical_answers(client):
    Fails.error = NotFound()

    answers = [
        client.get("/api/v1/fails"),
        client.get("/api/v1/no-such-route"),
        client.get("/v1/no-such-route"),
        client.delete("/api/v1/tokens/018f0000-0000-7000-8000-000000000000"),
    ]

    assert [answer.content for answer in answers[:3]] == [NOT_FOUND] * 3
    assert [answer.status_code for answer in answers] == [404, 404, 404, 401]


def test_an_unsupported_method_gets_405(client):
    response = client.put("/api/v1/fails")

    assert (response.status_code, response.json()["code"]) == (
        405,
        "method_not_allowed",
    )
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


# --- Bodies --------------------------------------------------------------------------


def test_fields_are_named(client):
    response = post(client, {"name": "four", "parts": [1, "x", 3]})

    assert response.status_code == 400
    assert response.json() == {
        "code": "invalid",
        "detail": "Some fields are not valid.",
        "fields": {
            "name": ["Ensure this field has no more than 3 characters."],
            "parts": {"1": ["A valid integer is required."]},
        },
    }


def test_a_rule_can_report_an_error_of_a_field(client):
    response = post(client, {"name": "a", "text": "nothing"})

    assert response.status_code == 400
    assert response.json() == {
        "code": "empty_text",
        "detail": "There is nothing to speak.",
        "params": {},
    }


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"{",
        b'{"name": "a"',
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": -1e999}',
        b'{"name": "\\u0000"}',
        b'{"name": "\\ud800"}',
        b'{"\\u0000": 1}',
        b"\xff\xfe",
        b'{"name": "\xe9"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client, body):
    for content_type in ("application/json", "text/plain", "application/x-nonsense"):
        response = post(client, body, content_type)
        assert response.status_code == 400, response.content
        assert response.json()["code"] == "malformed_json"


def test_a_body_above_the_limit_is_refused(client, settings):
    settings.BODY_LIMITS = {"/": 1000}

    response = post(client, b'{"name": "' + b"a" * 1000 + b'"}')

    assert response.status_code == 413
    assert response.json() == {
        "code": "body_too_large",
        "detail": "The body is larger than 1000 bytes.",
        "params": {"limit": 1000},
    }


# --- The database --------------------------------------------------------------------


def database_error(kind):
    error = OperationalError("canceling statement")
    error.__cause__ = kind("canceling statement")
    return error


@pytest.mark.parametrize(
    "kind", [psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected]
)
def test_a_lock_that_others_hold_is_busy(client, kind):
    Fails.error = database_error(kind)

    response = client.get("/api/v1/fails")

    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert response.json() == {
        "code": "busy",
        "detail": "Another request is changing this. Try again in a moment.",
        "params": {},
    }


def rename_impatiently(workspace):
    with transaction.atomic(), connection.cursor() as cursor:
        # Only for this transaction: others use the connection later.
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        Workspace.objects.filter(pk=workspace.pk).update(name="Other")


@pytest.mark.django_db(transaction=True)
def test_a_real_lock_is_recognised():
    workspace = factories.workspace(factories.user())
    locked, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Workspace.objects.select_for_update().get(pk=workspace.pk)
            locked.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)
    try:
        with pytest.raises(OperationalError) as refused:
            rename_impatiently(workspace)
    finally:
        done.set()
        holder.join()

    answer = errors.exception_handler(refused.value, {})
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (503, "busy")


@pytest.mark.parametrize(
    "kind",
    [
        psycopg.OperationalError,  # the connection broke, or none could be made
        psycopg_pool.PoolTimeout,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CrashShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.ConnectionFailure,
    ],
)
def test_an_unreachable_database_is_answered_by_503(client, kind):
    Fails.error = database_error(kind)

    response = client.get("/api/v1/fails")

    assert response.status_code == 503
    assert response["Retry-After"] == "2"
    assert response.json() == {
        "code": "unavailable",
        "detail": "The service is unavailable. Try again in a moment.",
        "params": {},
    }


def end_connections() -> int:
    """End all connections to this database, as a restart does; return how many."""
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"]
    ) as other:
        ended = other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(ended.fetchall())


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_is_unavailable_and_the_next_one_works():
    # Of dead connections in the pool each takes twice as long as the one before: there
    # shall be one, however many the tests before have left.
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]

    def lose_it():
        with transaction.atomic():
            Workspace.objects.count()
            end_connections()
            Workspace.objects.count()

    with pytest.raises(OperationalError) as lost:
        lose_it()

    answer = errors.exception_handler(lost.value, {})
    assert answer is not None
    assert (answer.status_code, answer.data["code"]) == (503, "unavailable")
    connection.close()
    assert Workspace.objects.count() >= 0


@pytest.mark.django_db(transaction=True)
def test_dead_connections_are_not_reused_from_the_pool():
    """After a restart, the pool has only dead connections; each is checked before use."""
    threads.in_threads(4, lambda: Workspace.objects.count())
    connection.close()
    assert end_connections() >= 1
    assert threads.in_threads(4, lambda: Workspace.objects.count() >= 0) == [True] * 4


def test_an_unavailable_database_is_answered_by_a_page_with_503():
    try:
        raise database_error(psycopg.OperationalError)
    except OperationalError:
        page = errors.server_error(RequestFactory().get("/webhooks"))
    assert (page.status_code, page["Retry-After"]) == (503, "2")
    assert page["Content-Type"].startswith("text/html")
    assert errors.server_error(RequestFactory().get("/webhooks")).status_code == 500


def test_other_database_errors_are_internal_errors(client):
    Fails.error = database_error(psycopg.errors.DiskFull)

    assert client.get("/api/v1/fails").status_code == 500


# --- Bugs ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["fails", "fails-outside-of-rest-framework"])
def test_a_bug_is_logged_and_answered_in_the_common_shape(client, caplog, address):
    Fails.error = ValueError("a secret of the program")

    response = client.get(
        f"/api/v1/{address}", headers={"X-Request-Id": "find-me-in-the-log"}
    )

    assert response.status_code == 500
    assert response["X-Request-Id"] == "find-me-in-the-log"
    assert response.json() == {
        "code": "internal_error",
        "detail": "Something went wrong on our side. Tell us the X-Request-Id to find it.",
        "params": {},
    }
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info
    assert record.exc_info[1] is Fails.error


# --- Outside of REST framework -------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SuspiciousOperation("odd"), 400, "bad_request"),
        (RequestDataTooBig("odd"), 413, "body_too_large"),
        (PermissionDenied("odd"), 403, "permission_denied"),
        (Http404("odd"), 404, "not_found"),
    ],
)
def test_django_itself_answers_in_the_same_shape(client, error, status, code):
    Fails.error = error

    response = client.get("/api/v1/fails-outside-of-rest-framework")

    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert list(response.json()) == ["code", "detail", "params"]
    assert response.json()["code"] == code


def test_a_form_without_a_csrf_token_gets_403(client):
    strict = Client(enforce_csrf_checks=True)

    response = strict.post("/api/v1/fails-outside-of-rest-framework", {"a": "b"})

    assert response.status_code == 403
    assert response.json()["code"] == "permission_denied"
    page = strict.post("/page", {"a": "b"})
    assert page.status_code == 403
    assert page["Content-Type"].startswith("text/html")


def test_an_unknown_host_is_refused(client):
    response = client.get("/api/v1/me", headers={"Host": "evil.example"})

    assert response.status_code == 400
    assert response.json()["code"] == "bad_request"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SuspiciousOperation("odd"), 400),
        (PermissionDenied("odd"), 403),
        (Http404("odd"), 404),
        (ValueError("odd"), 500),
    ],
)
def test_errors_of_pages_are_pages(client, error, status):
    Fails.error = error

    response = client.get("/page")

    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert re.search("<h1>", response.content.decode())
    assert "odd" not in response.content.decode()
