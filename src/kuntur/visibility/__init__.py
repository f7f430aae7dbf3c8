"""Who sees what from where: sight lines over the terrain, footprints, radio, and how likely a look finds its target."""
