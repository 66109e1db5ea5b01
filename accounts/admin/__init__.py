"""The admin classes of this app; every module here is loaded."""

from kit.back_office import load

load(__name__, __path__)
