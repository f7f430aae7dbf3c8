"""The operator's screen: one local server with the map page, its tiles, and the live state over a WebSocket."""
