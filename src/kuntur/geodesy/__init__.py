"""Geometry without physics: frames, grids, lines, heights.

Sight lines live in `visibility`, error in `tracking.geolocate`.
"""
