"""`make bench`: what the harness costs and gains, as ratios of runs that took turns in one session."""
