"""Configuration of the app `synthesis`."""

from django.apps import AppConfig


class SynthesisConfig(AppConfig):
    """Register what other apps call: hooks, work to sweep, events, and invariants."""

    name = "synthesis"
    lifecycle = ["synthesis.lifecycle"]
    swept = [
        "synthesis.outputs.assemblies.work",
        "synthesis.work.dispatch",
        "synthesis.samples.making",
    ]
    webhook_events = ["synthesis.events"]
    invariants = ["synthesis.jobs.invariants.INVARIANTS"]
