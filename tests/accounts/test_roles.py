"""The table of docs/roles.md is the same as the code's."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from accounts.errors import NotAllowed
from accounts.models import Membership
from accounts.roles import Permission, has_permission, require_permission

_TABLE = re.findall(
    r"^\| `(\w+)`[^|]*\| (\w+) \| (\w+) \| (\w+) \|$",
    (Path(settings.BASE_DIR) / "docs" / "roles.md").read_text(),
    re.MULTILINE,
)


def test_every_permission_is_documented():
    assert [row[0] for row in _TABLE] == [permission.value for permission in Permission]


@pytest.mark.parametrize("row", _TABLE, ids=lambda row: row[0])
def test_who_has_which_permission(row):
    permission, *answers = row
    for role, answer in zip(Membership.Role.values, answers, strict=True):
        assert has_permission(role, Permission(permission)) is (answer == "yes")
        if answer == "yes":
            require_permission(role, Permission(permission))
        else:
            with pytest.raises(NotAllowed):
                require_permission(role, Permission(permission))
