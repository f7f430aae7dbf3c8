"""What is kept on disk: the oversight record and the watch. Only `ops` opens these."""
