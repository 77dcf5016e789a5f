"""Where training data comes from; each file registers one kind in the group `data`."""
