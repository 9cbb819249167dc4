"""The national systems behind Country A's gateway: ports, and what fulfils them here."""
