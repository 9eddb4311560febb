"""The final report of a submission: the accepted results as MLCommons publishes them, in four formats."""
