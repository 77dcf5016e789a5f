"""Tasks, one file each: layout, goal sentence, wants."""
