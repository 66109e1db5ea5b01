"""Django's PostgreSQL backend with two pools: see `kit.db.pooled.base`."""
