"""Check one wallet against its entries, and repair it: `manage.py rebuild_wallet ID`."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.audit import log
from billing import ledger
from billing.models import Wallet
from kit.errors import AppError


class Command(BaseCommand):
    """Print and correct the columns that differ from the wallet's entries."""

    help = "Recompute a wallet, its lots and reservations from its entries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add wallet and reason."""
        parser.add_argument("wallet", type=int, help="ID of the wallet in the admin")
        parser.add_argument(
            "--reason",
            default="",
            help="kept in the audit log if something was corrected",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild the wallet in one transaction with the audit record."""
        try:
            with transaction.atomic(durable=True):
                found = ledger.rebuild(options["wallet"])
                if found:
                    log.record(
                        "rebuilt",
                        Wallet.objects.get(pk=options["wallet"]),
                        after={"differences": [asdict(one) for one in found]},
                        reason=options["reason"],
                    )
        except (AppError, Wallet.DoesNotExist) as error:
            raise CommandError(str(error)) from error
        for one in found:
            self.stdout.write(
                f"{one.row}: {one.column} was {one.stored}, is {one.derived}"
            )
        self.stdout.write(f"{len(found)} differences")
