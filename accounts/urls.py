"""Routes below /api/v1/."""

from django.urls import path

from accounts import api, api_account, api_logins, api_workspaces

_WORKSPACE = "workspaces/<uuid:workspace_id>"

urlpatterns = [
    path("auth/code", api_logins.CodeView.as_view(), name="auth-code"),
    path("auth/session", api_logins.SessionView.as_view(), name="auth-session"),
    path("me/logins", api_logins.LoginsView.as_view(), name="logins"),
    path("me/logins/<uuid:login_id>", api_logins.LoginView.as_view(), name="login-row"),
    path("me/export", api_account.ExportView.as_view(), name="my-export"),
    path(
        "me/invitations",
        api_workspaces.MyInvitationsView.as_view(),
        name="my-invitations",
    ),
    path(
        "me/invitations/<uuid:invitation_id>",
        api_workspaces.MyInvitationView.as_view(),
        name="my-invitation",
    ),
    path("workspaces", api_workspaces.WorkspacesView.as_view(), name="workspaces"),
    path(_WORKSPACE, api_workspaces.WorkspaceView.as_view(), name="workspace"),
    path(
        f"{_WORKSPACE}/reopen",
        api_workspaces.ReopenView.as_view(),
        name="workspace-reopen",
    ),
    path(f"{_WORKSPACE}/members", api_workspaces.MembersView.as_view(), name="members"),
    path(
        f"{_WORKSPACE}/members/<uuid:user_id>",
        api_workspaces.MemberView.as_view(),
        name="member",
    ),
    path(
        f"{_WORKSPACE}/invitations",
        api_workspaces.InvitationsView.as_view(),
        name="invitations",
    ),
    path(
        f"{_WORKSPACE}/invitations/<uuid:invitation_id>",
        api_workspaces.InvitationView.as_view(),
        name="invitation",
    ),
    path("tokens", api.TokensView.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>", api.TokenView.as_view(), name="token"),
]
