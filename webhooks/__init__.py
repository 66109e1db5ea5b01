"""Outgoing webhooks. It carries events and does not know who emits them."""
