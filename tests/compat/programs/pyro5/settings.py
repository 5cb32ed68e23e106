"""Settings: items, defaults, and what they are refused for."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: I002

import Pyro5
import Pyro5.api
import Pyro5.configure
import Pyro5.core
import Pyro5.protocol

print(
    Pyro5.__version__,
    Pyro5.config is Pyro5.api.config,
    Pyro5.configure.global_config is Pyro5.config,
)
for item, value in sorted(Pyro5.config.as_dict().items()):
    print(item, "=", repr(value))
print(
    Pyro5.core.DAEMON_NAME, Pyro5.core.NAMESERVER_NAME, Pyro5.protocol.PROTOCOL_VERSION
)
kept = Pyro5.config.copy()
Pyro5.config.NS_PORT = 1234
print(Pyro5.config.NS_PORT, kept.NS_PORT)
try:
    Pyro5.config.NO_SUCH_ITEM = 1
except AttributeError:
    print("no such item")
Pyro5.config.reset(use_environment=False)
print(Pyro5.config.NS_PORT, Pyro5.config.SERIALIZER)
Pyro5.config.reset()
text = Pyro5.config.dump().splitlines()
print([line.partition(":")[0] for line in text[:4]], len(text), text[-1])
print(
    sorted(name for name in dir(Pyro5.config) if name.isupper())
    == sorted(Pyro5.config.as_dict())
)
print(Pyro5.protocol.FLAGS_ONEWAY, Pyro5.protocol.MSG_INVOKE)
message = Pyro5.protocol.SendingMessage(
    Pyro5.protocol.MSG_INVOKE, 0, 5, 1, b"payload", {"ANNO": b"note"}
)
read = Pyro5.protocol.ReceivingMessage(message.data[:40], message.data[40:])
print(
    read.type,
    read.seq,
    read.serializer_id,
    bytes(read.data),
    {key: bytes(value) for key, value in read.annotations.items()},
)
