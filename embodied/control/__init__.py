"""One loop for every body: clock, chunks, safety filter, loop; arm kinematics (lazy imports)."""
