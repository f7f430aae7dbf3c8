"""Use cases: the only way to aircraft, wire and database. One screen-long function each."""
