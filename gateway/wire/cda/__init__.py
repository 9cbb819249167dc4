"""The CDA family: reports as clinical documents."""
