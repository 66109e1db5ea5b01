"""Becoming a user."""

from django.db import transaction
from email_validator import EmailNotValidError, validate_email

from accounts import lifecycle
from accounts.models import Membership, User, Workspace
from accounts.people import closing, welcome
from kit.errors import Invalid


def normalize_email(email: str) -> str:
    """Return an email address in the one form under which its user is stored.

    Only ASCII is allowed: letters that look alike, or become alike when their case is
    changed, would send one user's mail to another's account (CVE-2019-19844). A domain in
    other letters has its punycode form. Quoted local parts and IP addresses are refused:
    they are further spellings of a mailbox that has a plain one, or of our own machines.

    Raises:
        Invalid: mail to this address can't arrive.
    """
    address = email.strip().lower()
    if not address.isascii():
        raise Invalid({"email": ["Write the address in ASCII."]})
    try:
        parts = validate_email(address, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise Invalid({"email": ["This is not a valid email address."]}) from error
    return f"{parts.local_part}@{parts.ascii_domain}"


@transaction.atomic
def sign_up(email: str, *, address: str = "", **fields: object) -> User:
    """Return the user with this address; a new one gets a personal workspace with wallets.

    An account that was closed is opened again by `closing.reopen`, not here; one that is
    past its seven days gives its address away. Safe to repeat and to race: there is one
    user per address, and everything is opened once. Whether the grant comes with it is
    decided in `accounts.people.welcome`; `address` is the client's, and empty where an
    operator signs someone up. `fields` are set on a new user only.

    Raises:
        Invalid: the address can't be one.
    """
    new = User(email=normalize_email(email), **fields)
    new.set_unusable_password()
    user = _insert(new)
    if closing.is_gone(user.closed_at) and not user.is_blocked:
        # The purge has not come by yet; whoever has the address now begins anew.
        closing.release_address(user)
        user = _insert(new)
    if user.pk == new.pk:
        _open_personal_workspace(user, address)
    return user


def _insert(new: User) -> User:
    """Write `new` unless its address is taken; return who has the address."""
    # Waits for a sign-up of the same address that has not committed yet.
    User.objects.bulk_create([new], ignore_conflicts=True)
    return User.objects.get(email=new.email)


def _open_personal_workspace(user: User, address: str) -> None:
    workspace = Workspace.objects.create(name=user.email.partition("@")[0])
    Membership.objects.create(
        user=user, workspace=workspace, role=Membership.Role.OWNER
    )
    is_welcome = welcome.welcome(user.email, address=address)
    lifecycle.opened(workspace, user if is_welcome else None)
