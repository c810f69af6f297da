"""What the model is shown, and what is truly there: devkit reader, preprocessing, bins and info files."""
