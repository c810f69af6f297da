"""How fast the source model is on this machine's GPU or CPU."""

import time
from collections.abc import Sequence

from rfcn_lib.port import Port
from rfcn_lib.records import LoadPicture, RunPicture
from rfcn_lib.score.postprocess import detections_from_outputs


def rates(run_one: RunPicture, load: LoadPicture, port: Port, ids: Sequence[str]) -> tuple[float, float]:
    """Pictures per second over `ids`: inside the network's call, and of the whole way from JPEG to detections.

    The first picture is run once more beforehand, uncounted. Outputs are fetched, so a GPU's work is inside its time.
    """
    run_one(*load(ids[0]))
    device_s = script_s = 0.0
    for id in ids:
        start = time.perf_counter()
        im_data, picture = load(id)
        prepared = time.perf_counter()
        outputs = run_one(im_data, picture)
        device_s += time.perf_counter() - prepared
        detections_from_outputs(outputs, picture, port)
        script_s += time.perf_counter() - start
    return len(ids) / device_s, len(ids) / script_s
