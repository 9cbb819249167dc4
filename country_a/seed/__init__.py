"""Made-up people, studies and reports, the same for the same seed number."""
