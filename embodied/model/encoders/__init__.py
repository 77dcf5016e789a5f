"""One encoder a file: continuous input -> tokens (b, n, D)."""
