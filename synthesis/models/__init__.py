"""The records of synthesis, one module per subject; each is imported from here."""

from synthesis.models.jobs import Assembly, Job, Piece, Scene

__all__ = [
    "Assembly",
    "Job",
    "Piece",
    "Scene",
]
