"""What the back office of every app shares."""

from typing import Any


class ReadOnly:
    """An admin class that shows rows and never writes them; put it first in the bases."""

    def has_add_permission(self, *args: Any) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, *args: Any) -> bool:
        """Nobody edits them."""
        return False

    def has_delete_permission(self, *args: Any) -> bool:
        """Nobody deletes them."""
        return False
