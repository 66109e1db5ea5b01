"""Routes of pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import (
    views,
    views_account,
    views_staff,
    views_teams,
    views_tokens,
    views_visit,
)

urlpatterns = [
    path("login", views.log_in, name="login"),
    path("login/code", views.log_in_with_code, name="login-code"),
    path("login/link/<str:secret>/", views.login_link, name="login_link"),
    path("login/second-factor", views_staff.verify, name="second-factor"),
    path("settings/second-factor", views_staff.set_up, name="second-factor-set-up"),
    path("logout", LogoutView.as_view(next_page="/"), name="logout"),
    path("settings/account", views_account.account_page, name="account-page"),
    path("settings/account/export", views_account.export, name="account-export"),
    path("settings/account/close", views_account.close, name="account-close"),
    path("settings/logins", views.logins_page, name="logins-page"),
    path("settings/logins/end", views.end_login, name="logins-end"),
    path("settings/tokens", views_tokens.tokens_page, name="tokens-page"),
    path(
        "settings/tokens/<uuid:token_id>/revoke",
        views_tokens.revoke_token,
        name="token-revoke",
    ),
    path("settings/place", views_visit.choose, name="place-choose"),
    path("settings/team", views_teams.team_page, name="team-page"),
    path("settings/team/<slug:verb>", views_teams.act, name="team-act"),
    path("dev/mail", views.mailbox, name="mailbox"),
]
