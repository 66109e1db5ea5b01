"""From text to audio: jobs, scenes, rendering, files."""
