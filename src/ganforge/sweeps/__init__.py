"""Sweeps: what there is to do, doing it through one of Hydra's launchers, and the table at the end."""
