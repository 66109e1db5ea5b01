"""Recipients of the sign-up grant, and mail domains that may get it."""

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from accounts.models.choices import one_of


class WelcomedPerson(models.Model):
    """A person who got the sign-up grant: see `accounts.people.welcome`.

    It is anonymous and kept after the account is deleted, so that signing up again brings
    no second grant.
    """

    digest = models.CharField(
        primary_key=True, max_length=64, help_text="HMAC of the mailbox, hexadecimal"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "welcomed people"

    def __str__(self) -> str:
        return self.digest[:12]


class MailDomain(models.Model):
    """An operator's setting for a mail domain: see `accounts.people.mail_domains`."""

    class Kind(models.TextChoices):
        ORDINARY = "ordinary", "ordinary: so many sign-up grants a day"
        SHARED = "shared", "shared by the public: no limit for the host"
        DISPOSABLE = "disposable", "disposable: no sign-up grants"

    domain = models.CharField(
        primary_key=True,
        max_length=253,
        validators=[
            RegexValidator(r"^([a-z0-9-]+\.)+[a-z0-9-]+\Z", "Such as mail.com.")
        ],
        help_text="in lower case; includes its subdomains",
    )
    kind = models.CharField(max_length=12, choices=Kind.choices)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["domain"]
        constraints = [
            one_of("mail_domain_kind_known", kind=["ordinary", "shared", "disposable"]),
            models.CheckConstraint(
                condition=models.Q(domain=Lower("domain")),
                name="mail_domain_in_lower_case",
            ),
        ]

    def __str__(self) -> str:
        return self.domain
