"""Does a candidate say what the source model says? Figures of their difference, and limits measured in the same run."""
