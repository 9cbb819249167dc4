"""The link: a line between two gateways with the rate, delay and faults somebody asked for.

`model` and `profiles` are pure; `lines` and `proxy` move bytes; `service` is the process around
them. Nothing here knows what the bytes mean: the line lies below TLS.
"""
