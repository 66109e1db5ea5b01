"""Admin pages of jobs."""

import pytest

from synthesis.models import Job
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/admin/synthesis/job/"


def test_operators_see_a_job_with_its_scenes(back_office, submitted) -> None:
    job = submitted(factories.caller(), "Seen.", title="A look")
    assert b"A look" in back_office.get(JOBS).content
    shown = back_office.get(f"{JOBS}{job.pk}/change/")
    assert shown.status_code == 200
    assert b"scripted:one" in shown.content
    assert back_office.post(f"{JOBS}{job.pk}/change/").status_code == 403


def test_operators_cancel_and_see_what_can_not_be_canceled(
    back_office, submitted
) -> None:
    job = submitted(factories.caller(), "Stopped.")
    chosen = {
        "action": "cancel_jobs",
        "_selected_action": [str(job.pk)],
        "reason": "a test",
    }

    first = back_office.post(JOBS, chosen, follow=True)
    assert b"canceled." in first.content
    job.refresh_from_db()
    assert (job.status, job.reason, job.refunded) == ("canceled", "operator", 8)

    second = back_office.post(JOBS, chosen, follow=True)
    assert b"there is nothing to cancel" in second.content
    assert Job.objects.get().refunded == 8
