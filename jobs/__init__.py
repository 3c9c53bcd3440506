"""The second front door: work that starts by the clock instead of by a request."""
