"""The caller of a request: a user, a guest or the operators' key."""

import pytest

from accounts import tokens
from accounts.caller import Caller
from accounts.errors import AuthenticationRequired, NotAllowed
from accounts.people import workspaces
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_person_asks_by_cookie_or_by_token():
    alice = factories.user("alice@example.com")
    token = tokens.find(factories.token(alice))
    by_cookie = factories.caller(alice)
    by_token = factories.caller(alice, token=token)
    assert by_cookie.person == by_token.person == alice


def test_person_refuses_guests_and_the_operators_key():
    with pytest.raises(AuthenticationRequired):
        _ = factories.guest().person
    with pytest.raises(NotAllowed):
        _ = Caller(workspaces.operators()).person
