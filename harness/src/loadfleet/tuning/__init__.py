"""Finding good settings before a long run: which rate holds, which arrangement is fast, what a valid run will take.

Nothing here knows LoadGen or a workload: a search is given a callable that tries settings and says what came out
(`probe`). Tuning of the operating system is something else: the role `platform_tuning`.
"""
