"""A fuzzer of the formats: `python -m tests.fuzz --minutes 30`.

Small files of every format are mutated where their structure is, and read, cleaned by a trivial
task and encoded in a process of its own. A finding is whatever ends otherwise than with a result
that opens or one `PictureError`: another exception, a crash, more than 10 seconds of processor
time, more than 1 GiB of memory, a sample outside the mask that a lossless format has changed.
"""
