"""The child's side: runs in a bare interpreter with the standard library only.

Every run starts such an interpreter, so these modules import as little as they can: no pathlib, json, typing or
contextlib, which together cost more than all the isolation does.
"""
