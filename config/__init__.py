"""Settings, routes and processes: the only package that may import every app."""
