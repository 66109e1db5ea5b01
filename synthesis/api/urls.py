"""Routes of synthesis below /api/v1/."""

from django.urls import path

from synthesis.api import files, jobs, speech
from synthesis.models import Assembly

_JOB = "jobs/<uuid:job_id>"
_SCENE = f"{_JOB}/scenes/<str:scene>"

urlpatterns = [
    path("speech", speech.SpeechView.as_view(), name="speech"),
    path("estimate", jobs.EstimateView.as_view(), name="estimate"),
    path("jobs", jobs.JobsView.as_view(), name="jobs"),
    path(_JOB, jobs.JobView.as_view(), name="job"),
    path(f"{_JOB}/cancel", jobs.CancelView.as_view(), name="job-cancel"),
    path(f"{_JOB}/pause", jobs.PauseView.as_view(), name="job-pause"),
    path(f"{_JOB}/resume", jobs.ResumeView.as_view(), name="job-resume"),
    path(f"{_JOB}/retry", jobs.RetryView.as_view(), name="job-retry"),
    path(f"{_JOB}/links", files.LinksView.as_view(), name="job-links"),
    path(f"{_JOB}/scenes", jobs.ScenesView.as_view(), name="job-scenes"),
    path(f"{_JOB}/entries", jobs.JobEntriesView.as_view(), name="job-entries"),
    path(_SCENE, jobs.SceneView.as_view(), name="scene"),
    path(f"{_SCENE}/audio", files.SceneAudioView.as_view(), name="scene-audio"),
    path(f"{_SCENE}/words", files.SceneWordsView.as_view(), name="scene-words"),
    *(
        path(
            f"{_JOB}/{kind.value}",
            files.AssemblyView.as_view(kind=kind),
            name=f"job-{kind.value}",
        )
        for kind in Assembly.Kind
    ),
    *(
        path(
            f"{_JOB}/{kind}",
            files.CaptionsView.as_view(format=kind),
            name=f"job-{kind}",
        )
        for kind in ("srt", "vtt")
    ),
]
