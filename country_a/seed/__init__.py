"""Made-up patients, studies and reports for Country A, the same for the same seed number.

Rule: no clock and no dice that the seed number does not throw; only made-up people; what is
read from elsewhere is never written to.
"""
