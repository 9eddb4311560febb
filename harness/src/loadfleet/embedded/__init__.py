"""Files shipped with the harness: weights, vocabulary and their model cards. No code."""
