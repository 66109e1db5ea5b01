"""Identifiers: UUIDs of version 7, which sort by creation time."""

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """Return a new UUIDv7 (RFC 9562 §5.7)."""
    return uuid7()
