"""People, workspaces and how they prove who they are. It knows no money and no speech."""
