"""The ONNX graphs: export from PyTorch, changes for the compiler, checks, and the twin that runs without an NPU."""
