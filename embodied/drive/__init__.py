"""Recorded drives: the replay body, ego paths, kinematic predictors, and the scores that cannot be flattered."""
