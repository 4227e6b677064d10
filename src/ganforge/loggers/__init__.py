"""Where values go: CSV always, Weights & Biases and TensorBoard by configuration."""
