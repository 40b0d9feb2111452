"""The offline toolkit of tiergate: label, train, calibrate, evaluate and export classifiers."""
