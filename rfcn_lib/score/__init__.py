"""What was found: dumps -> outputs -> detections -> average precision, and how far two outputs agree."""
