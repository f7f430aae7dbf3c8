"""Nouns only: what every room speaks about. Frozen, keyword-only; arrays are treated as immutable."""
