"""Wrappers of the Exchange port: each adds one duty and is usable without the others."""
