"""Images in: from a folder, an archive, arrays or a built-in set to batches of a global order.

    find_source -> prepare -> Prepared (a directory of uint8 levels) -> Reals

Only `reals` imports torch, so that the processes that prepare start in a quarter of a second.
"""
