"""Outgoing webhooks: sends events to customers' endpoints. It imports no app that emits."""
