"""Pure functions from facts and policy to decisions: no I/O, no clock, no LiteLLM."""
