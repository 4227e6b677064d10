"""Diagnosis of a run in progress: cheap measures, and rules for failure modes."""
