"""The vendor's arithmetic on a host: what an NPU does to the numbers, without an NPU."""
