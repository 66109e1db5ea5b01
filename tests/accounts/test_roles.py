"""The table of docs/roles.md is what the code does."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from accounts.errors import NotAllowed
from accounts.models import Membership
from accounts.roles import Act, demand, may

_TABLE = re.findall(
    r"^\| `(\w+)`[^|]*\| (\w+) \| (\w+) \| (\w+) \|$",
    (Path(settings.BASE_DIR) / "docs" / "roles.md").read_text(),
    re.MULTILINE,
)


def test_every_act_is_documented():
    assert [row[0] for row in _TABLE] == [act.value for act in Act]


@pytest.mark.parametrize("row", _TABLE, ids=lambda row: row[0])
def test_who_may(row):
    act, *answers = row
    for role, answer in zip(Membership.Role.values, answers, strict=True):
        assert may(role, Act(act)) is (answer == "yes")
        if answer == "yes":
            demand(role, Act(act))
        else:
            with pytest.raises(NotAllowed):
                demand(role, Act(act))
