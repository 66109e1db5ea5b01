"""Sign up users: normalize email addresses, create users with a personal workspace."""

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
        raise Invalid({"email": ["Use only ASCII characters in the address."]})
    try:
        parts = validate_email(address, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise Invalid({"email": ["This is not a valid email address."]}) from error
    return f"{parts.local_part}@{parts.ascii_domain}"


@transaction.atomic
def sign_up(email: str, *, address: str = "", **fields: object) -> User:
    """Return the user with this email address; create one with a personal workspace.

    A closed account is reopened by `closing.reopen`, not here. One that is gone loses its
    address to the new user. Safe to repeat and to call concurrently: there is one user per
    address, and the workspace is made once. `accounts.people.welcome` decides about the
    sign-up grant. `address` is the client's IP address; empty if an operator signs the
    user up. `fields` are set on a new user only.

    Raises:
        Invalid: the email address is not valid.
    """
    new = User(email=normalize_email(email), **fields)
    new.set_unusable_password()
    user = _insert(new)
    if closing.is_gone(user.closed_at) and not user.is_blocked:
        # The purge has not run yet, but the address is free for a new user.
        closing.release_address(user)
        user = _insert(new)
    if user.pk == new.pk:
        _open_personal_workspace(user, address)
    return user


def _insert(new: User) -> User:
    """Insert `new` unless its address exists; return the user with the address."""
    # This waits for a concurrent sign-up of the same address to commit.
    User.objects.bulk_create([new], ignore_conflicts=True)
    return User.objects.get(email=new.email)


def _open_personal_workspace(user: User, address: str) -> None:
    workspace = Workspace.objects.create(name=user.email.partition("@")[0])
    Membership.objects.create(
        user=user, workspace=workspace, role=Membership.Role.OWNER
    )
    gets_grant = welcome.claim_grant(user.email, address=address)
    lifecycle.opened(workspace, user if gets_grant else None)
