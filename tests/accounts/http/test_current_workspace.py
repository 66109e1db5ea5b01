"""Pages use the workspace and environment that the user has chosen."""

import pytest

from accounts.models import Membership
from accounts.people import blocking, preferences
from tests import factories

pytestmark = pytest.mark.django_db

PAGE, CHOOSE = "/settings/tokens", "/settings/workspace"


@pytest.fixture
def alice():
    return factories.user("alice@example.com")


@pytest.fixture
def team(alice):
    return factories.team(alice, name="Choir")


def choose(person, workspace, environment="PRODUCTION", **fields):
    body = {"workspace": str(workspace), "environment": environment} | fields
    return factories.browser(person).post(CHOOSE, body)


def where(person):
    """Return the workspace of a token that is created in the page."""
    factories.browser(person).post(PAGE, {"name": "Made here"})
    return person.tokens.latest("created_at").workspace


def test_without_a_choice_pages_use_the_personal_workspace(alice, team):
    assert where(alice) == factories.workspace(alice)


def test_the_chosen_workspace_is_kept(alice, team):
    answer = choose(alice, team.pk, "SANDBOX", next=PAGE)

    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert where(alice) == team
    page = factories.browser(alice).get(PAGE).content.decode()
    assert f'<option value="{team.pk}" selected>Choir</option>' in page
    assert '<option value="SANDBOX" selected>' in page
    assert f'data-workspace="{team.pk}" data-environment="SANDBOX"' in page
    alice.refresh_from_db()
    assert alice.preferences == {"workspace": str(team.pk), "environment": "SANDBOX"}


def test_a_login_returns_only_to_pages_of_this_site(alice, team):
    answer = choose(alice, team.pk, next="https://evil.example/")
    assert answer["Location"] == "/settings/team"


@pytest.mark.parametrize(
    "wrong", [{"workspace": "nonsense"}, {"workspace": ""}, {"environment": "MOON"}]
)
def test_an_invalid_choice_changes_nothing(alice, team, wrong):
    answer = factories.browser(alice).post(CHOOSE, {"workspace": team.pk} | wrong)

    assert answer.status_code == 404
    alice.refresh_from_db()
    assert alice.preferences == {}


def test_a_workspace_of_others_can_not_be_chosen(alice, team):
    bob = factories.user("bob@example.com")

    assert choose(bob, team.pk).status_code == 404
    preferences.merge(bob, {"workspace": str(team.pk)})  # by the API, say
    assert where(bob) == factories.workspace(bob)


@pytest.mark.parametrize("end", ["left", "blocked"])
def test_pages_fall_back_to_the_personal_workspace(alice, team, end):
    bob = factories.user("bob@example.com")
    Membership.objects.create(user=bob, workspace=team, role="member")
    choose(bob, team.pk)
    assert where(bob) == team

    if end == "left":
        Membership.objects.filter(user=bob, workspace=team).delete()
    else:
        blocking.block(team)

    assert where(bob) == factories.workspace(bob)
    page = factories.browser(bob).get(PAGE).content.decode()
    assert "Choir" not in page


def test_pages_use_a_team_if_the_personal_workspace_is_blocked(alice, team):
    blocking.block(factories.workspace(alice))

    assert where(alice) == team

    blocking.block(team)
    page = factories.browser(alice).get(PAGE)
    assert page.status_code == 403
    assert "Your workspace is blocked." in page.content.decode()


def test_a_blocked_user_can_not_act_in_a_team(alice, team):
    browser = factories.browser(alice)
    blocking.block(alice)
    page = browser.get(PAGE)
    assert page.status_code == 403
    assert "Your account is blocked." in page.content.decode()


@pytest.mark.parametrize("nonsense", [None, 5, [], {"a": 1}, "x", ["PRODUCTION"]])
def test_preferences_may_hold_anything(alice, nonsense):
    preferences.merge(
        alice, {"workspace": nonsense, "environment": nonsense, "theme": nonsense}
    )

    page = factories.browser(alice).get(PAGE)
    assert page.status_code == 200
    assert 'data-theme="' not in page.content.decode()


def test_the_theme_comes_with_the_page(alice):
    preferences.merge(alice, {"theme": "dark"})
    html = factories.browser(alice).get("/").content.decode()
    assert 'data-theme="dark"' in html.partition("<head>")[0]


def test_preferences_are_escaped_in_pages(alice):
    preferences.merge(alice, {"demo": {"text": "</script><script>alert(1)</script>"}})
    html = factories.browser(alice).get("/").content.decode()
    assert "<script>alert" not in html


def test_a_page_without_the_choice_costs_no_query_for_it(
    django_assert_num_queries,
):
    client = factories.api()
    client.get("/login")
    with django_assert_num_queries(0):
        client.get("/login")
