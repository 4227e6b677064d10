"""A package of somebody's own: translation between two unpaired sets of points."""
