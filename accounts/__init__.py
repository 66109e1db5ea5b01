"""Users, workspaces, memberships, logins and API tokens, without money or speech."""
