"""The outside world on the way in: terrain, vectors, area files, aircraft and feeds."""
