"""Model FLOPs, FLOP/s and MFU inside other people's training loops."""
