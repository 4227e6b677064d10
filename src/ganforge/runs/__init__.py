"""A run's folder: how it begins, what it holds, how it ends, and how it is restored."""
