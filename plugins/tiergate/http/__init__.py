"""The dashboard and its API, mounted in the proxy's own app behind LiteLLM's own authentication."""
