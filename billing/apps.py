"""Registers billing's lifecycle hooks and webhook events."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """See the docstring of the package."""

    name = "billing"
    lifecycle = ["billing.lifecycle"]
    webhook_events = ["billing.events"]
    swept = [
        "billing.payments.inbox.work",
        "billing.payments.reconciliation.work",
        "billing.payments.refunds.work",
    ]
