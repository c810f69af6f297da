"""What measures; `tests/` judges. The journey: source -> graph -> (pictures) -> devices -> score."""

import os

# ONNX Runtime reports its use to its makers, and leaves a file `.ses` in the temporary folder; it reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
