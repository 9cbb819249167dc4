"""Country A: holds the patient's imaging, and answers for it (Responding NCP)."""
