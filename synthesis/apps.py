"""App configuration."""

from django.apps import AppConfig


class SynthesisConfig(AppConfig):
    """See the docstring of the package."""

    name = "synthesis"
    lifecycle = ["synthesis.lifecycle"]
    swept = [
        "synthesis.outputs.assemblies.work",
        "synthesis.work.dispatch",
        "synthesis.samples.making",
    ]
    webhook_events = ["synthesis.events"]
