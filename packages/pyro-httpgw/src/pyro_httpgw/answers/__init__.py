"""What web clients get: values, streams and problems."""
