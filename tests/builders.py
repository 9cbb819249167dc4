"""Nouns for tests: valid by default; a test overrides what it is about."""

from __future__ import annotations
