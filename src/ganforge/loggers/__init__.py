"""Loggers: CSV always, Weights & Biases and TensorBoard by configuration."""
