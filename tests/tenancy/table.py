"""The expected status of each caller for each method of each route with an id.

A cell is a status. In a pair, the first is for cookies and the second for tokens: changing
members takes a fresh login, which a token never has. Blocked users get 403 everywhere, so
they have no cell. Only the owner, and members with a 2xx, may change rows; the tests check
that too.

A new route needs a row here. A new kind of thing needs a maker in `world.MAKERS`, and a
line in THINGS if the route parameter has another name.
"""

from dataclasses import dataclass, field
from typing import Any

Cell = int | tuple[int, int]

THINGS = {
    "job_id": "job",
    "scene": "scene_id",
    "workspace_id": "workspace",
    "user_id": "person",
    "invitation_id": "invitation",
    "login_id": "login",
    "token_id": "token",
    "endpoint_id": "endpoint",
    "delivery_id": "delivery",
    "provider": "provider",
    "order_id": "order",
}
"""The thing that fills each route parameter, unless a row says otherwise."""


@dataclass(frozen=True)
class Row:
    """A method of a route of the API."""

    method: str
    route: str  # below /api/v1/
    owner: Cell
    member: Cell
    stranger: Cell  # of another workspace, whatever X-Workspace says
    elsewhere: Cell  # the owner, acting in another workspace
    guest: Cell
    operators: Cell  # ADMIN_ACCESS_KEY
    sandbox: Cell  # the owner, by a token that is bound to SANDBOX
    body: dict[str, Any] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)  # parameter: thing

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


@dataclass(frozen=True)
class Page:
    """A method of a page. Pages use the personal workspace, so members are strangers.

    Forms about teams name the workspace, and answer members with 302 and a message. Guests
    and tokens are redirected to the login.
    """

    method: str
    route: str
    owner: int
    member: int
    stranger: int
    form: dict[str, str] = field(default_factory=dict)  # `{thing}` stands for its id
    of: dict[str, str] = field(default_factory=dict)
    verb: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.verb}".strip()


_JOB = "jobs/<uuid:job_id>"
_SCENE = f"{_JOB}/scenes/<str:scene>"
_TEAM = "workspaces/<uuid:workspace_id>"
_HOOK = "webhooks/<uuid:endpoint_id>"
_RUNS = {"job_id": "running_job"}
_FAILED = {"job_id": "failed_job"}
_CLOSED = {"workspace_id": "closed"}
_MINE = {"invitation_id": "received"}
_NEW = {"email": "more@example.com"}
_ADMIN = {"role": "admin"}
_SINCE = {"since": "2026-01-01T00:00:00Z"}
_KEY = {"key": "an0ther-k3y-of-a-test"}
_TEAM_KEY = {"provider": "team_key"}
_PAGE_KEY = {"provider": "page_key"}
_LOGIN = (403, 403)  # never for tokens, and for cookies only with the right
_TOKEN = (404, 403)  # tokens are refused before anything else is checked

# fmt: off
ROWS = [
    #    method    route                                owner      member     stranger elsewhere guest operators sandbox
    Row("DELETE", "me/logins/<uuid:login_id>",          204,       404,       404,    204,       401,  403,  403),
    Row("POST",   "me/invitations/<uuid:invitation_id>", (200, 403), _TOKEN,  _TOKEN, (200, 403), 401, 403,  403, of=_MINE),
    Row("DELETE", "me/invitations/<uuid:invitation_id>", (204, 403), _TOKEN,  _TOKEN, (204, 403), 401, 403,  403, of=_MINE),
    Row("GET",    _TEAM,                                200,       200,       404,    (200, 404), 401, 403,  200),
    Row("PATCH",  _TEAM,                                200,       403,       404,    (200, 404), 401, 403,  403, {"name": "New"}),
    Row("DELETE", _TEAM,                                (204, 403), _LOGIN,   _TOKEN, (204, 403), 401, 403,  403),
    Row("POST",   f"{_TEAM}/reopen",                    (200, 403), _TOKEN,   _TOKEN, (200, 403), 401, 403,  403, of=_CLOSED),
    Row("GET",    f"{_TEAM}/members",                   200,       200,       404,    (200, 404), 401, 403,  403),
    Row("PATCH",  f"{_TEAM}/members/<uuid:user_id>",    (200, 403), _LOGIN,   _TOKEN, (200, 403), 401, 403,  403, _ADMIN),
    Row("DELETE", f"{_TEAM}/members/<uuid:user_id>",    (204, 403), _LOGIN,   _TOKEN, (204, 403), 401, 403,  403),
    Row("GET",    f"{_TEAM}/invitations",               200,       200,       404,    (200, 404), 401, 403,  403),
    Row("POST",   f"{_TEAM}/invitations",               (201, 403), _LOGIN,   _TOKEN, (201, 403), 401, 403,  403, _NEW),
    Row("DELETE", f"{_TEAM}/invitations/<uuid:invitation_id>", (204, 403), _LOGIN, _TOKEN, (204, 403), 401, 403, 403),
    Row("DELETE", "tokens/<uuid:token_id>",             204,       404,       404,    404,       401,  403,  404),
    #    method    route                                owner      member     stranger elsewhere guest operators sandbox
    Row("GET",    "orders/<uuid:order_id>",             200,       403,       404,    404,       401,  403,  404),
    Row("GET",    _JOB,                                 200,       200,       404,    404,       404,  404,  404),
    Row("DELETE", _JOB,                                 204,       204,       404,    404,       401,  404,  404),
    Row("POST",   f"{_JOB}/cancel",                     200,       200,       404,    404,       404,  404,  404, of=_RUNS),
    Row("POST",   f"{_JOB}/pause",                      200,       200,       404,    404,       401,  404,  404, of=_RUNS),
    Row("POST",   f"{_JOB}/resume",                     200,       200,       404,    404,       401,  404,  404, of=_RUNS),
    Row("POST",   f"{_JOB}/retry",                      202,       202,       404,    404,       401,  404,  404, of=_FAILED),
    Row("POST",   f"{_JOB}/links",                      201,       201,       404,    404,       401,  404,  404),
    Row("GET",    f"{_JOB}/entries",                    200,       200,       404,    404,       401,  404,  404),
    Row("GET",    f"{_JOB}/scenes",                     200,       200,       404,    404,       404,  404,  404),
    Row("GET",    _SCENE,                               200,       200,       404,    404,       404,  404,  404),
    Row("PATCH",  _SCENE,                               202,       202,       404,    404,       401,  404,  404, {"text": "New."}),
    Row("GET",    f"{_SCENE}/audio",                    200,       200,       404,    404,       404,  404,  404),
    Row("GET",    f"{_SCENE}/words",                    200,       200,       404,    404,       404,  404,  404),
    Row("GET",    f"{_JOB}/zip",                        202,       202,       404,    404,       404,  404,  404),
    Row("GET",    f"{_JOB}/audio",                      202,       202,       404,    404,       404,  404,  404),
    Row("GET",    f"{_JOB}/m4b",                        202,       202,       404,    404,       404,  404,  404),
    Row("GET",    f"{_JOB}/srt",                        200,       200,       404,    404,       404,  404,  404),
    Row("GET",    f"{_JOB}/vtt",                        200,       200,       404,    404,       404,  404,  404),
    #    method    route                                owner      member     stranger elsewhere guest operators sandbox
    Row("GET",    _HOOK,                                200,       200,       404,    404,       401,  404,  404),
    Row("PATCH",  _HOOK,                                200,       403,       404,    404,       401,  404,  404, {"enabled": False}),
    Row("DELETE", _HOOK,                                204,       403,       404,    404,       401,  404,  404),
    Row("POST",   f"{_HOOK}/rotate",                    200,       403,       404,    404,       401,  404,  404),
    Row("POST",   f"{_HOOK}/test",                      202,       403,       404,    404,       401,  404,  404),
    Row("GET",    f"{_HOOK}/deliveries",                200,       200,       404,    404,       401,  404,  404),
    Row("POST",   f"{_HOOK}/replay",                    202,       403,       404,    404,       401,  404,  404, _SINCE),
    Row("GET",    "deliveries/<uuid:delivery_id>",      200,       200,       404,    404,       401,  404,  404),
    Row("POST",   "deliveries/<uuid:delivery_id>/replay", 202,     403,       404,    404,       401,  404,  404),
    # Providers exist for all tenants; each reaches its own workspace's key.
    Row("PUT",    "provider-keys/<slug:provider>",      200,       403,       200,    200,       401,  403,  403, _KEY),
    Row("DELETE", "provider-keys/<slug:provider>",      204,       403,       204,    204,       401,  403,  403, of=_TEAM_KEY),
]

_WORKSPACE = {"workspace": "{workspace}"}
_MEMBER = _WORKSPACE | {"member": "{person}"}
_INVITED = {"invitation": "{received}"}
_PAGE_HOOK = {"endpoint_id": "own_endpoint"}
_PAGE_DELIVERY = {"delivery_id": "delivery_own"}
_FIELDS = {"url": "https://example.com/new", "events": "webhook.test"}

PAGES = [
    Page("GET",  "orders/<uuid:order_id>",                200,  404,  404, of={"order_id": "own_order"}),
    Page("GET",  "orders/<uuid:order_id>.pdf",            200,  404,  404, of={"order_id": "own_order"}),
    #     method  route                                  owner member stranger
    Page("POST", "settings/tokens/<uuid:token_id>/revoke", 302, 404, 404, of={"token_id": "own_token"}),
    Page("POST", "settings/logins/end",                   302,  404,  404, form={"login": "{login}"}),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="rename", form=_WORKSPACE | {"name": "New"}),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="invite", form=_WORKSPACE | _NEW | {"role": "member"}),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="withdraw", form=_WORKSPACE | {"invitation": "{invitation}"}),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="close", form=_WORKSPACE),
    Page("POST", "settings/team/<slug:verb>",             302,  404,  404, verb="reopen", form={"workspace": "{closed}"}),
    Page("POST", "settings/team/<slug:verb>",             302,  404,  404, verb="accept", form=_INVITED),
    Page("POST", "settings/team/<slug:verb>",             302,  404,  404, verb="decline", form=_INVITED),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="role", form=_MEMBER | _ADMIN),
    Page("POST", "settings/team/<slug:verb>",             302,  302,  404, verb="remove", form=_MEMBER),
    Page("POST", "settings/provider-keys/<slug:provider>/<slug:verb>", 302, 404, 404, of=_PAGE_KEY, verb="check"),
    Page("POST", "settings/provider-keys/<slug:provider>/<slug:verb>", 302, 404, 404, of=_PAGE_KEY, verb="remove"),
    Page("GET",  "webhooks/<uuid:endpoint_id>",           200,  404,  404, of=_PAGE_HOOK),
    Page("POST", "webhooks/<uuid:endpoint_id>",           302,  404,  404, of=_PAGE_HOOK, form=_FIELDS),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 302, 404, 404, of=_PAGE_HOOK, verb="off"),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 302, 404, 404, of=_PAGE_HOOK, verb="on"),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 302, 404, 404, of=_PAGE_HOOK, verb="delete"),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 200, 404, 404, of=_PAGE_HOOK, verb="rotate"),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 302, 404, 404, of=_PAGE_HOOK, verb="test"),
    Page("POST", "webhooks/<uuid:endpoint_id>/<slug:verb>", 302, 404, 404, of=_PAGE_HOOK, verb="replay", form={"hours": "24"}),
    Page("GET",  "deliveries/<uuid:delivery_id>",         200,  404,  404, of=_PAGE_DELIVERY),
    Page("POST", "deliveries/<uuid:delivery_id>/replay",  302,  404,  404, of=_PAGE_DELIVERY),
]
# fmt: on

CHANGES_NOTHING = {
    "POST jobs/<uuid:job_id>/resume",  # it runs already
    "POST jobs/<uuid:job_id>/links",  # a link is signed, and stored nowhere
    "POST webhooks/<uuid:endpoint_id>/replay",  # nothing has failed
    "POST webhooks/<uuid:endpoint_id>/<slug:verb> on",  # it is on already
    "POST webhooks/<uuid:endpoint_id>/<slug:verb> replay",
}
"""Methods that change no row, even for the owner."""


@dataclass(frozen=True)
class Call:
    """A method of an API route without an id."""

    method: str
    route: str
    owner: Cell
    member: Cell
    guest: int
    operators: int
    body: dict[str, Any] = field(default_factory=dict)
    sandbox: int | None = None  # the owner's token of the sandbox; None: as without it
    shows: str = ""  # a thing that is in the owner's list, and in no stranger's
    is_watched: bool = True  # a success changes rows; for POST and the like

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


_NEW_JOB: dict[str, Any] = {"text": "Hello.", "voice": "unicorn:en-us"}
_NEW_HOOK: dict[str, Any] = {"url": "https://example.com/x", "events": ["webhook.test"]}
_EMAIL: dict[str, Any] = {"email": "code@example.com"}

_TOP_UP: dict[str, Any] = {
    "enabled": False,
    "below": 10,
    "product": "tenancy",
    "monthly_cap": 100,
}

COUNTS_TRIES = {"auth/session", "promo-codes/redeem"}
"""Methods that record the attempt even if they refuse it."""

_NO_TEXT: dict[str, Any] = {
    "input": " "
}  # speaking itself needs a connection of its own

# fmt: off
CALLS = [
    #    method    route                     owner       member      guest operators
    Call("POST",   "auth/code",              202,        202,        202, 202, _EMAIL),
    Call("POST",   "auth/session",           400,        400,        400, 400, _EMAIL | {"code": "000000"}),
    Call("DELETE", "auth/session",           204,        204,        401, 204, is_watched=False),  # tokens have no login
    Call("GET",    "me",                     200,        200,        200, 200, shows="workspace"),
    Call("PATCH",  "me",                     200,        200,        401, 403, {"preferences": {"a": 1}}, sandbox=403),
    Call("DELETE", "me",                     (409, 403), (204, 403), 401, 403),  # the owner has a team
    Call("GET",    "me/export",              202,        202,        401, 403),
    Call("POST",   "me/export",              202,        202,        401, 403),
    Call("GET",    "me/logins",              200,        200,        401, 403, sandbox=403, shows="login"),
    Call("GET",    "me/invitations",         200,        200,        401, 403, sandbox=403, shows="received"),
    Call("GET",    "workspaces",             200,        200,        401, 403, shows="workspace"),
    Call("POST",   "workspaces",             201,        201,        401, 403, {"name": "Another"}, sandbox=403),
    Call("GET",    "tokens",                 200,        200,        401, 403, shows="token"),
    Call("POST",   "tokens",                 201,        201,        401, 403, {"name": "Another"}),
    Call("GET",    "credits",                200,        200,        401, 200, shows="workspace"),
    Call("GET",    "credits/entries",        200,        200,        401, 200, shows="job"),
    Call("GET",    "credits/notices",        200,        200,        401, 200),
    Call("PATCH",  "credits/notices",        200,        403,        401, 200, {"low_at": 10}),
    Call("GET",    "plans",                  200,        200,        200, 200),
    Call("GET",    "packs",                  200,        200,        200, 200),
    Call("GET",    "usage",                  200,        200,        401, 200),
    Call("GET",    "usage/history",          200,        200,        401, 200),
    Call("GET",    "orders",                 200,        403,        401, 403),
    Call("POST",   "checkout",               201,        403,        401, 403, {"product": "tenancy", "gateway": "demo"}),
    Call("POST",   "billing/portal",         409,        403,        401, 403),
    Call("GET",    "billing/top-up",         (200, 403), 403,        401, 403),
    Call("PUT",    "billing/top-up",         (200, 403), 403,        401, 403, _TOP_UP),
    Call("POST",   "promo-codes/redeem",     201,        201,        401, 403, {"code": "TENANCY"}, sandbox=403),
    Call("GET",    "providers",              200,        200,        200, 200),
    Call("GET",    "voices",                 200,        200,        200, 200),
    Call("GET",    "provider-keys",          200,        200,        401, 403),
    Call("POST",   "speech",                 400,        400,        400, 400, _NO_TEXT),
    Call("POST",   "estimate",               200,        200,        401, 200, _NEW_JOB, is_watched=False),
    Call("GET",    "jobs",                   200,        200,        401, 200, shows="job"),
    Call("POST",   "jobs",                   202,        202,        202, 202, _NEW_JOB),
    Call("GET",    "webhooks",               200,        200,        401, 200, shows="endpoint"),
    Call("POST",   "webhooks",               201,        403,        401, 201, _NEW_HOOK),
    Call("GET",    "webhooks/default-secret", (200, 403), (403, 403), 401, 403),
    Call("POST",   "webhooks/default-secret/rotate", (200, 403), (403, 403), 401, 403),
    Call("GET",    "webhooks/event-types",   200,        200,        401, 200),
    Call("GET",    "deliveries",             200,        200,        401, 200, shows="delivery"),
    Call("POST",   "deliveries/replay",      202,        403,        401, 202, _SINCE, is_watched=False),
    Call("GET",    "schema/",                200,        200,        200, 200),
]
# fmt: on

TAKES_FRESH_LOGIN = {
    "DELETE me",
    "POST me/invitations/<uuid:invitation_id>",
    "DELETE me/invitations/<uuid:invitation_id>",
    f"DELETE {_TEAM}",
    f"POST {_TEAM}/reopen",
    f"PATCH {_TEAM}/members/<uuid:user_id>",
    f"DELETE {_TEAM}/members/<uuid:user_id>",
    f"POST {_TEAM}/invitations",
    f"DELETE {_TEAM}/invitations/<uuid:invitation_id>",
    "GET billing/top-up",
    "PUT billing/top-up",
    "GET webhooks/default-secret",
    "POST webhooks/default-secret/rotate",
}
"""Methods that tokens and logins older than 15 minutes may not call."""
