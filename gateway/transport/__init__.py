"""Where bytes meet sockets: servers and clients of an Exchange.

Rule: aiohttp lives here and in the countries' app modules, nowhere else.
"""
