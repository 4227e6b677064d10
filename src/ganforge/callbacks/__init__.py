"""What happens beside training, placed on the clock of images seen."""
