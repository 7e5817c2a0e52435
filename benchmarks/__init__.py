"""Speed and memory of the core, as ratios to a calibration loop."""
