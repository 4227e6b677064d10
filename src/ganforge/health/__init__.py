"""Diagnosis of a training in progress: cheap measures, and rules that name what is wrong."""
