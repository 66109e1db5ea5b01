import datetime
import os
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail as mails
from django.db import transaction
from django.utils import timezone

from kit.mail import files, outbox
from kit.models import Mail


@pytest.fixture
def posted(transactional_db):
    with transaction.atomic():
        return outbox.post("alice@example.com", "Hello", "The code is 123456.\n")


def refuse(error):
    class Backend:
        def __init__(self, **_):
            pass

        def send_messages(self, messages):
            raise error

    return Backend


def fail_with(monkeypatch, error):
    monkeypatch.setattr("django.core.mail.get_connection", lambda **_: refuse(error)())
    monkeypatch.setattr(
        "django.core.mail.message.EmailMessage.get_connection",
        lambda *_: refuse(error)(),
    )


def test_a_mail_is_sent_once_and_its_text_removed(posted):
    assert b"123456" not in bytes(posted.encrypted_text)

    assert outbox.work() == 1
    assert outbox.work() == 0

    sent = mails.outbox[0]
    assert (sent.to, sent.subject, sent.body) == (
        ["alice@example.com"],
        "Hello",
        "The code is 123456.\n",
    )
    row = Mail.objects.get()
    assert (row.status, bytes(row.encrypted_text)) == ("completed", b"")
    assert row.settled_at is not None


def test_a_mail_with_is_sent_false_is_not_sent(transactional_db):
    with transaction.atomic():
        outbox.post("alice@example.com", "Hello", "Text", is_sent=False)

    assert outbox.work() == 0
    assert mails.outbox == []


def test_a_server_that_is_down_is_tried_again_later(posted, monkeypatch):
    with monkeypatch.context() as broken:
        fail_with(broken, SMTPServerDisconnected())
        assert outbox.work() == 1
    row = Mail.objects.get()
    assert (row.status, row.attempts) == ("queued", 1)
    assert row.ready_at > timezone.now()

    Mail.objects.update(ready_at=timezone.now())
    assert outbox.work() == 1
    assert len(mails.outbox) == 1


def test_an_address_that_is_refused_is_given_up(posted, monkeypatch):
    fail_with(monkeypatch, SMTPRecipientsRefused({}))

    assert outbox.work() == 1
    row = Mail.objects.get()
    assert (row.status, bytes(row.encrypted_text)) == ("failed", b"")


def test_an_expired_mail_is_not_sent(posted):
    Mail.objects.update(send_until=timezone.now() - datetime.timedelta(seconds=1))

    assert outbox.work() == 0
    outbox.sweep()
    row = Mail.objects.get()
    assert (row.status, bytes(row.encrypted_text)) == ("canceled", b"")


def test_an_expired_mail_of_a_lost_worker_is_not_sent(posted):
    past = timezone.now() - datetime.timedelta(seconds=1)
    assert outbox.work.take() == posted
    Mail.objects.update(send_until=past)
    outbox.sweep()
    assert Mail.objects.get().status == "processing"  # it may be on its way

    Mail.objects.update(lease_until=past)
    outbox.sweep()
    row = Mail.objects.get()
    assert (row.status, row.lease_until) == ("canceled", None)
    assert bytes(row.encrypted_text) == b""
    assert outbox.work() == 0


def test_a_mail_of_a_killed_worker_is_sent_by_another(posted):
    assert outbox.work.take() == posted
    assert outbox.work() == 0
    Mail.objects.update(lease_until=timezone.now() - datetime.timedelta(seconds=1))

    outbox.sweep()

    assert outbox.work() == 1
    assert len(mails.outbox) == 1
    assert Mail.objects.get().crashes == 1


def test_mails_become_files(posted, settings, tmp_path):
    settings.OZVENA_HOME = tmp_path
    settings.EMAIL_BACKEND = "kit.mail.files.FileBackend"

    outbox.work()

    file = next((tmp_path / "mail").glob("*.eml"))
    assert "The code is 123456." in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    shown = files.written_mails()
    assert [(one.to, one.subject, one.text) for one in shown] == [
        ("alice@example.com", "Hello", "The code is 123456.\n")
    ]


def test_old_mails_are_deleted(posted):
    assert outbox.prune() == 0
    Mail.objects.update(created_at=timezone.now() - datetime.timedelta(days=31))
    assert outbox.prune() == 1


def test_an_unexpected_error_of_one_mail_does_not_stop_the_others(
    posted, monkeypatch, caplog
):
    class Odd(Exception):
        pass

    with transaction.atomic():
        outbox.post("bob@example.com", "Hello", "Text")
    with monkeypatch.context() as broken:
        fail_with(broken, Odd("The code is 123456."))
        assert outbox.work() == 2
    rows = Mail.objects.values_list("status", "attempts")
    assert list(rows) == [("queued", 1), ("queued", 1)]
    assert "was not sent: Odd in" in caplog.text
    assert "123456" not in caplog.text

    Mail.objects.update(ready_at=timezone.now())
    assert outbox.work() == 2
    assert len(mails.outbox) == 2


def test_old_files_are_deleted(db, settings, tmp_path):
    settings.OZVENA_HOME = tmp_path
    for subject in ("Old", "New"):
        files.FileBackend().send_messages(
            [mails.EmailMessage(subject, "Text", "a@example.com", ["b@example.com"])]
        )
    new, old = files.written_mails()
    month = outbox.KEPT_FOR.total_seconds() + 60
    path = tmp_path / "mail" / f"{old.name}.eml"
    os.utime(path, (path.stat().st_atime - month, path.stat().st_mtime - month))

    outbox.prune()

    assert [one.subject for one in files.written_mails()] == ["New"]
    assert new.subject == "New"
