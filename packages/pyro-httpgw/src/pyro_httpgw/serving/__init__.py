"""Web servers that the command runs the gateway under."""
