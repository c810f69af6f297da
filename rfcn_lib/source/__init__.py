"""The source model in PyTorch, as its authors run it: the network, its two special operators, its checkpoint."""
