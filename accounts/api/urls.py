"""Routes below /api/v1/."""

from django.urls import path

from accounts.api import account, login, logins, tokens, workspaces

_WORKSPACE = "workspaces/<uuid:workspace_id>"

urlpatterns = [
    path("auth/code", login.CodeView.as_view(), name="auth-code"),
    path("auth/session", login.SessionView.as_view(), name="auth-session"),
    path("me/logins", logins.LoginsView.as_view(), name="logins"),
    path("me/logins/<uuid:login_id>", logins.LoginView.as_view(), name="login-row"),
    path("me/export", account.ExportView.as_view(), name="my-export"),
    path(
        "me/invitations",
        workspaces.MyInvitationsView.as_view(),
        name="my-invitations",
    ),
    path(
        "me/invitations/<uuid:invitation_id>",
        workspaces.MyInvitationView.as_view(),
        name="my-invitation",
    ),
    path("workspaces", workspaces.WorkspacesView.as_view(), name="workspaces"),
    path(_WORKSPACE, workspaces.WorkspaceView.as_view(), name="workspace"),
    path(
        f"{_WORKSPACE}/reopen",
        workspaces.ReopenView.as_view(),
        name="workspace-reopen",
    ),
    path(f"{_WORKSPACE}/members", workspaces.MembersView.as_view(), name="members"),
    path(
        f"{_WORKSPACE}/members/<uuid:user_id>",
        workspaces.MemberView.as_view(),
        name="member",
    ),
    path(
        f"{_WORKSPACE}/invitations",
        workspaces.InvitationsView.as_view(),
        name="invitations",
    ),
    path(
        f"{_WORKSPACE}/invitations/<uuid:invitation_id>",
        workspaces.InvitationView.as_view(),
        name="invitation",
    ),
    path("tokens", tokens.TokensView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", tokens.TokenView.as_view(), name="token"),
]
