"""Add missing plans and packs: `manage.py sync_products`."""

from typing import Any

from django.core.management.base import BaseCommand

from billing.plans import products


class Command(BaseCommand):
    """Add the plans and packs of `billing.plans.seeds` that are missing; safe to repeat."""

    help = "Add the plans and packs of billing/plans/seeds.py that are missing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Add missing products and print their number."""
        added = products.sync()
        if options["verbosity"]:
            self.stdout.write(f"Plans and packs: {added} added.")
