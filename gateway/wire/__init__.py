"""Bytes to nouns and back.

Rule: no sockets, no files, no clock, no randomness; ids and times are arguments.
The families (soap, dicom, cda, audit) never import each other.
"""
