"""The stages of the pipeline: each one class, one file."""
