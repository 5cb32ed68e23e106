"""Make a token for somebody: python new_token.py NAME [ROLE,ROLE]."""

from __future__ import annotations

import secrets
import sys

from pyro_server.authentication import hash_token

token = secrets.token_urlsafe(32)
print(f"token of {sys.argv[1]}:", token)
print("line for tokens.txt:", hash_token(token), *sys.argv[1:])
