"""An outside world we make ourselves: aircraft, crossers, cameras. Everything here says that it is simulated."""
