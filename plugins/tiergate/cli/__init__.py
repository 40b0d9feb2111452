"""The tiergate command."""
