"""What an aircraft can do in the air it is in: atmosphere, power and endurance, terrain-safe paths."""
