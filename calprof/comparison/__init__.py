"""Closed forms beside what really ran: each formula's value, its ratio to a profile, and why they differ."""

from __future__ import annotations

from calprof.comparison.compare import compare
from calprof.comparison.entries import Comparison, Entry, TermRow
from calprof.comparison.subject import Subject, subject_of

__all__ = ["Comparison", "Entry", "Subject", "TermRow", "compare", "subject_of"]
