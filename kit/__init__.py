"""Mechanics without business: it knows no tenants, no money and no speech."""
