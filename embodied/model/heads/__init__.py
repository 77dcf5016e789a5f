"""One head a file: language-model states (b, n, D) -> an action chunk (b, h, a), normalised units."""
