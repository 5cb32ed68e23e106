"""The demo: a recorded weather station as a remote instrument, and its client.

`instrument` is the station, an ordinary class that is exposed. `tour` uses it in every
way there is. `command` runs both, with a name server and a gateway, in processes of
their own. The rest helps them: `recording` reads the data, `processes` and
`interruption` start and end programs, `report` prints.
"""

from __future__ import annotations
