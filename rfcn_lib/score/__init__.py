"""From dumps to a score: dumps -> outputs -> detections -> average precision; and how far two outputs agree."""
