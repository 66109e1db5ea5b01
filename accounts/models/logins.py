"""Login codes that were mailed, and the login history."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import second_factor  # noqa: F401 - more tables of this app
from accounts.models.choices import one_of
from accounts.models.querysets import LoginSessionQuerySet
from accounts.models.users import User
from kit.ids import new_id


class LoginChallenge(models.Model):
    """A mailed login code: for one email address, one browser and a few tries."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField()
    browser = models.CharField(
        max_length=64,
        unique=True,
        help_text="SHA-256 of the browser cookie to which the code is bound",
    )
    code = models.CharField(max_length=64, help_text="HMAC of the code, hexadecimal")
    tries_left = models.PositiveSmallIntegerField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tries_left__gte=0), name="tries_are_counted"
            )
        ]
        indexes = [
            models.Index(
                fields=["email"],
                condition=models.Q(tries_left__gt=0),
                name="challenge_open",
            ),
            models.Index(fields=["expires_at"], name="challenge_age"),
        ]

    def __str__(self) -> str:
        return f"login of {self.email}"


class LoginSession(models.Model):
    """One login of a user, current or ended: a row of the login history."""

    class Method(models.TextChoices):
        CODE = "code"
        LINK = "link"
        OTHER = "other"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="logins")
    session_key = models.CharField(
        max_length=40, blank=True, help_text="of the Django session; empty once ended"
    )
    device = models.CharField(
        max_length=64,
        help_text="SHA-256 of the cookie by which a device is recognized",
    )
    ip = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=300, blank=True)
    method = models.CharField(max_length=8, choices=Method.choices)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = LoginSessionQuerySet.as_manager()

    class Meta:
        constraints = [one_of("login_method_known", method=["code", "link", "other"])]
        indexes = [
            models.Index(fields=["user", "-id"], name="login_list"),
            models.Index(fields=["last_seen_at"], name="login_age"),
        ]

    def __str__(self) -> str:
        return f"login of {self.user_id} from {self.ip}"
