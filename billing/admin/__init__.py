"""Admin of billing. Every module here is loaded."""

from kit.back_office import load

load(__name__, __path__)
