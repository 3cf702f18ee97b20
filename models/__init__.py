"""Labels, split, training, calibration, evaluation, the gate and the registry: one idea a file, each usable from a notebook."""
