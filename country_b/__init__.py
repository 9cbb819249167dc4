"""Country B: treats the patient, asks, and serves the health professional (Requesting NCP)."""
