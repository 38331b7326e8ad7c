"""The HTTP server of registered models, and its page."""
