"""Routes of pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.pages import (
    account,
    login,
    logins,
    mailbox,
    second_factor,
    team,
    tokens,
    workspace,
)

urlpatterns = [
    path("login", login.log_in, name="login"),
    path("login/code", login.log_in_with_code, name="login-code"),
    path("login/link/<str:secret>/", login.login_link, name="login_link"),
    path("login/second-factor", second_factor.verify, name="second-factor"),
    path("settings/second-factor", second_factor.set_up, name="second-factor-set-up"),
    path("logout", LogoutView.as_view(next_page="/"), name="logout"),
    path("settings/account", account.account_page, name="account-page"),
    path("settings/account/export", account.export, name="account-export"),
    path("settings/account/close", account.close, name="account-close"),
    path("settings/logins", logins.logins_page, name="logins-page"),
    path("settings/logins/end", logins.end_login, name="logins-end"),
    path("settings/tokens", tokens.tokens_page, name="tokens-page"),
    path(
        "settings/tokens/<uuid:token_id>/revoke",
        tokens.revoke_token,
        name="token-revoke",
    ),
    path("settings/workspace", workspace.choose, name="workspace-choose"),
    path("settings/team", team.team_page, name="team-page"),
    path("settings/team/<slug:verb>", team.action, name="team-action"),
    path("dev/mail", mailbox.mailbox, name="mailbox"),
]
