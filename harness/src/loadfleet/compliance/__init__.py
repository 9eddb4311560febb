"""Compliance tests: which ones a round wants, what LoadGen is told, and how their logs are verified.

A test is a file of catalogue/data/compliance: its checks name functions of the modules here. What depends on the round
(audit settings, tolerances, bounds, which model needs which test) is the round's data.
"""
