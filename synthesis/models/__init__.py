"""Database models of synthesis. Import each from here, not from its own module."""

from synthesis.models.assemblies import Assembly
from synthesis.models.gates import Gate
from synthesis.models.jobs import Job
from synthesis.models.scenes import Piece, Scene

__all__ = [
    "Assembly",
    "Gate",
    "Job",
    "Piece",
    "Scene",
]
