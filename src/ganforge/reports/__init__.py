"""Reports on several runs: read from their folders, grouped into variants, compared with honest statistics.

No module here imports torch or Lightning: a comparison reads files.
"""
