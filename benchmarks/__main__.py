"""`make bench`: every table, one after the other. Ratios within one run are what counts."""

from benchmarks import full_size, score

score.main()
full_size.main()
