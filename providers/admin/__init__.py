"""The admin of providers; loads every module here."""

from kit.back_office import load

load(__name__, __path__)
