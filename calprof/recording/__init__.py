"""One run: what is switched on, what is noted, and the raw record that remains."""
