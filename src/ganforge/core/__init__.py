"""What every room rests on: errors, files, the console, random numbers, processes, the configuration."""
