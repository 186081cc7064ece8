"""What a person asks for by hand, to find out instead of to assume: `check --webhook` (`hooks`) and `contract --probe`
(`booking`, `steps`, `facts`, `file`). Nothing here runs by itself, and what it makes is never synced.
"""
