"""Jobs that take several pushes, planned once a second: Language-Table's board, in our simulator."""
