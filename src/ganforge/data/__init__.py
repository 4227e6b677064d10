"""Datasets: uint8 arrays, a batch order that is a function of seed and position, and the sources that fill them."""
