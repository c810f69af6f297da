"""The model as its authors run it: network, vendor operators' real forwards, checkpoint, training losses."""
