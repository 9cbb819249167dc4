"""The SOAP family: one module per transaction, each with the same four names."""
