"""Sweeps: the plan, its launch through one of Hydra's launchers, and the table at the end."""
