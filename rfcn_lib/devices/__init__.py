"""Where it runs: PyTorch, ONNX Runtime, the vendor's tools on NPUs; here or over a Dask cluster. Each makes dumps of pictures."""
