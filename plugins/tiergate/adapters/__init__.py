"""One file per outside system; each maps its errors to ours."""
