"""What runs in production: the published scoring module, batch scoring, levels, actions and the ranking."""
