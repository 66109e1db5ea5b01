"""The records of synthesis, one module per subject; each is imported from here."""

from synthesis.models.assemblies import Assembly
from synthesis.models.jobs import Job
from synthesis.models.scenes import Piece, Scene

__all__ = [
    "Assembly",
    "Job",
    "Piece",
    "Scene",
]
