"""Routes below /api/v1/."""

from django.urls import path

from accounts import api, api_logins

urlpatterns = [
    path("auth/code", api_logins.CodeView.as_view(), name="auth-code"),
    path("auth/session", api_logins.SessionView.as_view(), name="auth-session"),
    path("me/logins", api_logins.LoginsView.as_view(), name="logins"),
    path("me/logins/<uuid:login_id>", api_logins.LoginView.as_view(), name="login-row"),
    path("tokens", api.TokensView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", api.TokenView.as_view(), name="token"),
]
