"""What measures; `tests/` judges. The journey: source -> graph -> (pictures) -> devices -> score."""
