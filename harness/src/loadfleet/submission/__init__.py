"""From results to a submission: rules of a round, tree, truncation, checks, archive."""
