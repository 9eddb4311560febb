"""Power of a measured run: readings of the analyzer, the record of the measuring session, and the metric made of them.

Facts: MLPerf power measurement rules and MLCommons' power checker. Watts are those at the wall, times are UTC.
"""
