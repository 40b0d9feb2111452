"""A stand-in provider over HTTP, scenarios as data, and the quickstart walk."""
