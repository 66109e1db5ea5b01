import contextlib
import datetime
import hashlib
import itertools
import re

import pytest
from django.utils import timezone

from accounts import tokens
from accounts.errors import InvalidEnvironment, InvalidToken
from accounts.models import ApiToken, Membership
from tests import factories
from tests.threads import in_threads

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def alice(db):
    return factories.user("alice@example.com")


def test_a_token_is_kept_as_a_hash(alice):
    row, text = tokens.issue(factories.workspace(alice), alice, name="Robot")

    assert re.fullmatch(r"ozv-[0-9A-Za-z]{38}", text)
    assert row.digest == hashlib.sha256(text.encode()).hexdigest()
    assert (row.prefix, row.last4) == (text[:8], text[-4:])
    assert str(row) == f"Robot ({text[:8]}…{text[-4:]})"
    assert isinstance(row.created_at, datetime.datetime)
    kept = ApiToken.objects.values().get()
    assert text not in str(kept)
    assert text[8:-4] not in str(kept)


def test_the_checksum_is_the_crc32_in_base62():
    # 0xA0F292D0, the CRC-32 of these characters, is 2·62⁵ + 58·62⁴ + 45·62³ + 60·62² +
    # 53·62 + 18.
    assert tokens._checksum("0" * 32) == "2wjyrI"


def test_a_token_is_found_with_all_that_belongs_to_it_by_one_query(
    alice, django_assert_num_queries
):
    text = factories.token(alice)

    with django_assert_num_queries(1):
        found = tokens.find(text)
        assert found.created_by == alice
        assert found.workspace.name == "alice"
        assert found.creators_role == Membership.Role.OWNER


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text[:4] + text[5] + text[4] + text[6:],
        lambda text: text + "0",
        lambda text: text[:-1],
        lambda text: text.upper(),
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace("ozv-", "ozv_"),
        lambda text: "ozv-" + "é" * 38,
        lambda text: "",
    ],
)
def test_a_damaged_token_is_refused_without_a_query(
    alice, django_assert_num_queries, damage
):
    text = "ozv-" + "Ab" * 16 + tokens._checksum("Ab" * 16)

    with django_assert_num_queries(0), pytest.raises(InvalidToken):
        tokens.find(damage(text))


def test_an_unknown_token_is_refused(alice):
    with pytest.raises(InvalidToken):
        tokens.find("ozv-" + "Ab" * 16 + tokens._checksum("Ab" * 16))


def test_an_expired_token_is_refused(alice):
    now = timezone.now()
    alive = factories.token(alice, expires_at=now + HOUR)
    dead = factories.token(alice, expires_at=now - datetime.timedelta(seconds=1))

    assert tokens.find(alive)
    with pytest.raises(InvalidToken):
        tokens.find(dead)


def test_a_revoked_token_is_refused_for_good(alice):
    text = factories.token(alice)
    row = tokens.find(text)

    tokens.revoke(row)

    with pytest.raises(InvalidToken):
        tokens.find(text)
    row.refresh_from_db()
    first = row.revoked_at
    tokens.revoke(row)
    row.refresh_from_db()
    assert row.revoked_at == first


def test_a_token_is_revoked_when_its_creator_leaves_the_workspace(alice):
    bob = factories.user("bob@example.com")
    team = factories.team(alice, bob)
    text = factories.token(bob, workspace=team)
    assert tokens.find(text).creators_role == Membership.Role.MEMBER

    Membership.objects.filter(user=bob, workspace=team).delete()

    with pytest.raises(InvalidToken):
        tokens.find(text)


def test_use_is_written_once_a_minute(alice, django_assert_num_queries):
    text = factories.token(alice)
    tokens.record_use(tokens.find(text))
    first = tokens.find(text).last_used_at
    assert first
    assert timezone.now() - first < HOUR

    used = tokens.find(text)
    with django_assert_num_queries(0):
        tokens.record_use(used)

    old = first - datetime.timedelta(seconds=61)
    ApiToken.objects.update(last_used_at=old)
    tokens.record_use(tokens.find(text))
    second = tokens.find(text).last_used_at
    assert second
    assert second > first


def test_of_two_concurrent_uses_one_is_recorded(alice):
    text = factories.token(alice)
    first, second = tokens.find(text), tokens.find(text)

    tokens.record_use(first)
    noted = tokens.find(text).last_used_at
    tokens.record_use(second)

    assert tokens.find(text).last_used_at == noted


def test_limits_of_a_token_hold_for_tokens_that_it_creates(alice):
    workspace = factories.workspace(alice)
    soon, later = timezone.now() + HOUR, timezone.now() + 2 * HOUR
    maker, _ = tokens.issue(
        workspace,
        alice,
        name="Maker",
        environment="SANDBOX",
        expires_at=soon,
        monthly_credit_limit=100,
    )

    made, _ = tokens.issue(workspace, alice, name="Made", maker=maker)
    assert made.environment == "SANDBOX"
    assert made.expires_at == soon
    assert made.monthly_credit_limit == 100

    made, _ = tokens.issue(
        workspace,
        alice,
        name="Made",
        expires_at=later,
        monthly_credit_limit=101,
        maker=maker,
    )
    assert made.expires_at == soon
    assert made.monthly_credit_limit == 100

    sooner = soon - datetime.timedelta(minutes=1)
    made, _ = tokens.issue(
        workspace,
        alice,
        name="Made",
        expires_at=sooner,
        monthly_credit_limit=0,
        maker=maker,
    )
    assert made.expires_at == sooner
    assert made.monthly_credit_limit == 0


def test_a_token_can_not_create_one_for_the_other_environment(alice):
    workspace = factories.workspace(alice)
    maker, _ = tokens.issue(workspace, alice, name="Maker", environment="SANDBOX")

    with pytest.raises(InvalidEnvironment):
        tokens.issue(
            workspace, alice, name="Made", environment="PRODUCTION", maker=maker
        )

    assert ApiToken.objects.count() == 1


def _family(alice, *, environment=""):
    """Return the texts of a token, of one that it made, and of one that that made."""
    workspace = factories.workspace(alice)
    first, text = tokens.issue(workspace, alice, name="1", environment=environment)
    second, made = tokens.issue(workspace, alice, name="2", maker=first)
    _, made_of_made = tokens.issue(workspace, alice, name="3", maker=second)
    return text, made, made_of_made


def _is_refused(text):
    try:
        tokens.find(text)
    except InvalidToken:
        return True
    return False


def test_a_token_is_revoked_with_its_maker_at_any_depth(alice):
    texts = _family(alice)
    other = factories.token(alice)

    tokens.revoke(tokens.find(texts[1]))
    assert [_is_refused(text) for text in (*texts, other)] == [False, True, True, False]

    tokens.revoke(tokens.find(texts[0]))
    assert [_is_refused(text) for text in (*texts, other)] == [True, True, True, False]


def test_a_token_expires_with_its_maker_at_any_depth(alice):
    maker, _ = tokens.issue(
        factories.workspace(alice), alice, name="1", expires_at=timezone.now() + HOUR
    )
    made, _ = tokens.issue(maker.workspace, alice, name="2", maker=maker)
    grand, text = tokens.issue(
        maker.workspace,
        alice,
        name="3",
        expires_at=timezone.now() + 2 * HOUR,
        maker=made,
    )

    assert made.expires_at == grand.expires_at == maker.expires_at
    ApiToken.objects.update(expires_at=timezone.now())
    assert _is_refused(text)


def test_a_revoked_token_makes_no_token(alice):
    """It was authenticated just before it was revoked."""
    workspace = factories.workspace(alice)
    maker, text = tokens.issue(workspace, alice, name="Maker")
    asking = tokens.find(text)
    tokens.revoke(maker)

    with pytest.raises(InvalidToken):
        tokens.issue(workspace, alice, name="Made", maker=asking)
    assert ApiToken.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_token_survives_that_is_made_while_its_maker_is_revoked():
    alice = factories.user()
    workspace = factories.workspace(alice)
    for _ in range(5):
        maker, text = tokens.issue(workspace, alice, name="Maker")
        turns = itertools.count()

        def act(maker=maker, turns=turns):
            if next(turns) % 2:
                return tokens.revoke(maker)
            with contextlib.suppress(InvalidToken):
                tokens.issue(workspace, alice, name="Made", maker=maker)
            return None

        in_threads(6, act)
        assert not ApiToken.objects.filter(revoked_at=None).exists()
        assert _is_refused(text)


def test_a_token_sees_by_its_environment_and_its_makers(alice):
    """One that a token made sees itself and what it made; not its makers, nor others."""
    _family(alice, environment="SANDBOX")
    for environment in ("", "PRODUCTION", "SANDBOX"):
        factories.token(alice, name=environment or "both", environment=environment)
    sandbox = {"1", "2", "3", "SANDBOX"}
    everything = {*sandbox, "PRODUCTION", "both"}
    seen = {
        token.name: {
            row.name
            for row in ApiToken.objects.visible_to(factories.caller(alice, token=token))
        }
        for token in ApiToken.objects.all()
    }

    assert seen == {
        "1": sandbox,
        "2": {"2", "3"},
        "3": {"3"},
        "SANDBOX": sandbox,
        "PRODUCTION": {"PRODUCTION"},
        "both": everything,
    }
