"""Bytes <-> model, no sockets: video metadata, autopilot messages, mission files."""
