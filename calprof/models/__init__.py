"""Models by name, built without weights."""
