"""What a line did, as it was known at a local midnight: one module a family, and what they share.

Read in this order: `feature` (how one is declared), the nine family modules, `catalogue` (their list), then
`tiles`, `presence`, `windows`, `context` (how they are computed) and `build` (the whole table).
"""
