"""Print the secret that signs events of jobs made with `ADMIN_ACCESS_KEY`."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.people import workspaces
from webhooks.sending import signing


class Command(BaseCommand):
    """Print the default signing secret of the operators' workspace, and nothing else."""

    help = (
        "Print the secret that signs events to the webhook_url of jobs made with "
        "ADMIN_ACCESS_KEY. No user logs in to that workspace, so no page shows it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the secret."""
        signer = signing.default_signer(workspaces.operators().pk)
        self.stdout.write(signing.secret_of(signer).reveal_text())
