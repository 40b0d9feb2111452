"""What must hold before a release; no wheel holds this."""
