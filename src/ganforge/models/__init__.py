"""Training procedures: a class exists only where the order of forwards, backwards and optimizer steps differs."""
