"""From pixels to movers: geolocation with its error, tracks as a fold over looks, alerts. No clock, no socket."""
