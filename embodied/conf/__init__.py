"""Configuration files of the command line; they ship in the wheel."""
