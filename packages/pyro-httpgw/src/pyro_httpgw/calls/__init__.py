"""Calling remote objects: where they are, what they offer, and the connections."""
