"""Encoders of frames, one module a codec family, found by transfer syntax.

Rule: samples of one frame in, a code stream out; no DICOM header is written here.
"""
