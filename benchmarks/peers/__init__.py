"""The libraries under measurement, one module each behind one interface."""
