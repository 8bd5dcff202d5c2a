"""What the promises of speed rest on.  `python -m benchmarks [NAME ...]` measures and prints a table.

Tracked and untracked are interleaved in one run; what is stated is the median of paired differences, and
beside it the noise floor: the same for untracked against untracked.
"""
