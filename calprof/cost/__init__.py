"""What a recorded forward costs beyond itself: training, time, hardware."""
