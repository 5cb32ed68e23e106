"""What web clients give, as the arguments of a method."""
