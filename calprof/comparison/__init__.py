"""Closed forms beside what really ran: each formula's value, its ratio to a profile, and why they differ."""
