"""What those who run the gateway see of it."""
