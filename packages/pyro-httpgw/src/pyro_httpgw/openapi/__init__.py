"""The OpenAPI document of all exposed objects."""
