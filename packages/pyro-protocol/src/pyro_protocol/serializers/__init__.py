"""Values as bytes, in several formats; who uses which is decided above.

================  ==  =========================================================
name              id  what it is for
================  ==  =========================================================
``serpent``       1   every Pyro since version 3 reads it
``marshal``       2   trusted Python peers only
``json``          3   peers in any language
``msgpack``       4   compact; Pyro5 with the msgpack library
``native``        78  peers of our own family: every builtin type stays what it is
``pickle``        79  trusted peers of our own family, as are the next two; these three
                      are in no table, see `opt_in`
``cloudpickle``   80  the same, with code
``dill``          81  the same, with code
================  ==  =========================================================
"""

from __future__ import annotations

from .allowed import register_class, unregister_class
from .classes import (
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from .codec import Buffer, Serializer
from .exception_forms import set_trial_hook
from .exceptions import ExceptionWrapper
from .foreign import ForeignMember, ForeignRecord
from .tables import serializers, serializers_by_id, serializers_within

__all__ = [
    "Buffer",
    "ExceptionWrapper",
    "ForeignMember",
    "ForeignRecord",
    "Serializer",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "serializers",
    "serializers_by_id",
    "serializers_within",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]

set_trial_hook(lambda name, value: serializers[name].dumps(value))
