"""Where data comes from; each file registers one kind: training windows in the group `data`, drives in `drive`."""
