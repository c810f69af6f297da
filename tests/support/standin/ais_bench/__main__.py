"""`python3 -m ais_bench`."""

import sys

from simulated.ais_bench_tool import main

sys.exit(main(sys.argv[1:]))
