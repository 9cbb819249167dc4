"""Country A's national systems: patient index, registry, repository, image store, consent.

Rule: `ports` says what the gateway expects and imports nothing of the rest; what fulfils it
imports SQLAlchemy and obstore, and nothing of the country outside this package.
"""
