"""Size-aware delivery: what is planned for a stated need, and how it is carried out on pixels.

Rule: facts of headers and samples of pixels go in, plans and renditions come out. Nothing here
knows a socket or a database; only `worker` runs anything beside the event loop.
"""
