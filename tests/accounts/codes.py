"""Read login codes from mails."""

import re

from django.core import mail

from kit.mail import outbox


def newest_code(email: str) -> str:
    """Send queued mails and return the newest code sent to `email`."""
    outbox.work()
    texts = [str(sent.body) for sent in mail.outbox if sent.to == [email]]
    return str(re.findall(r"\b\d{6}\b", texts[-1])[0])


def a_wrong_one(code: str) -> str:
    """Return a code that is not `code`."""
    return f"{(int(code) + 1) % 10**6:06d}"
