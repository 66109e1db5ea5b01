"""Database models of synthesis. Import each from here, not from its own module."""

from synthesis.models.assemblies import Assembly
from synthesis.models.flaws import Flaw
from synthesis.models.jobs import Job
from synthesis.models.scenes import Piece, Scene

__all__ = [
    "Assembly",
    "Flaw",
    "Job",
    "Piece",
    "Scene",
]
