"""Admin classes of synthesis. Every module in this folder is loaded."""

from kit.back_office import load

load(__name__, __path__)
