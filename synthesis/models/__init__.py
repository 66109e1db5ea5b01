"""Database models of synthesis. Import each from here, not from its own module."""

from synthesis.models.assemblies import Assembly
from synthesis.models.flaws import Flaw
from synthesis.models.gates import Gate
from synthesis.models.jobs import Job
from synthesis.models.scenes import RECORDED, Piece, Recording, Scene, Take

__all__ = [
    "RECORDED",
    "Assembly",
    "Flaw",
    "Gate",
    "Job",
    "Piece",
    "Recording",
    "Scene",
    "Take",
]
