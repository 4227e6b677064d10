"""Studies: many trainings of one configuration, whose values a sampler chooses."""
