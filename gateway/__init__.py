"""What two national contact points have in common: nouns, codecs, transports.

Rule: nothing here knows which country it serves. A gateway is told who it is by its
home community id, never by being "A" or "B".
"""
