"""Reports: one run's evaluation, and several runs compared.

A comparison reads files and imports no torch; :mod:`~ganforge.reports.evaluation` and :mod:`~ganforge.reports.panels`
show images that are still tensors, and do.
"""
