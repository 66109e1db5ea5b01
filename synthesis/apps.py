"""Configuration of the app `synthesis`."""

from django.apps import AppConfig


class SynthesisConfig(AppConfig):
    """Register what other apps call: lifecycle hooks, work to sweep, webhook events."""

    name = "synthesis"
    lifecycle = ["synthesis.lifecycle"]
    swept = [
        "synthesis.outputs.assemblies.work",
        "synthesis.work.dispatch",
        "synthesis.samples.making",
    ]
    webhook_events = ["synthesis.events"]
