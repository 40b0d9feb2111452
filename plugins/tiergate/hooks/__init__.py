"""LiteLLM in, LiteLLM out: one file for each entry of LiteLLM."""
