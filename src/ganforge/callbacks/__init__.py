"""The parts of a run's loop, placed on the clock of images seen."""
