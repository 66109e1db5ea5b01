"""System checks: settings that would be dangerous or useless are named at start."""
