"""Composition root and process edge: settings, HTTP and WebSocket transport, command line. Nobody imports it."""
