import os
import pty
import re
import subprocess
import sys


def test_a_terminal_gets_a_bar_with_rate_and_time_left() -> None:
    inside, outside = pty.openpty()  # of size 0 x 0, as in some containers
    os.set_blocking(inside, False)
    program = (
        "import time\n"
        "from rfcn_lib.progress import progress\n"
        "for _ in progress(range(8), 8, 'torch dumps'): time.sleep(0.15)\n"
    )
    try:
        environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", program], stderr=outside, check=True, timeout=60, env=environment)
        text = os.read(inside, 100_000).decode()
    finally:
        os.close(inside)
        os.close(outside)
    assert re.search(r"torch dumps:\s+\d+%.*\| [1-7]/8 \[00:0\d<00:0\d, .* pictures/s\]", text), text
