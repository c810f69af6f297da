"""Where it runs: PyTorch and ONNX Runtime. Each turns pictures into dumps; no device knows another."""
