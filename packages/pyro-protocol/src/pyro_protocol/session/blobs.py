"""How a serialized blob is sent: its payload, and the annotation to route it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import SerializeError
from ..serializers import Serializer, serializers
from ..serializers.marshal_reader import write_simple
from ..serializers.opt_in import PICKLED_NAMES

if TYPE_CHECKING:
    from ..references import SerializedBlob
    from ..wire import Annotations, Buffer

__all__ = ["BLOB_ANNOTATION", "encode_blob"]

BLOB_ANNOTATION = "BLBI"
_JSON = serializers["json"]
_ONLY_IF_CHOSEN = frozenset({serializers["marshal"].id, *PICKLED_NAMES})


def encode_blob(
    blob: SerializedBlob, object_id: str, method: str, serializer: Serializer
) -> tuple[int, Buffer, Annotations]:
    """Return serializer id, payload and annotations of a call with a blob.

    A blob that was received is passed on as it came.

    Args:
        blob: the only argument of the call.
        object_id: the object.
        method: the name of the method.
        serializer: what to write a blob with that was not received.

    Raises:
        SerializeError: the blob's data or info cannot be encoded, or it came in
            marshal or the pickle family, and the caller has not chosen that.
    """
    routing = write_simple((blob.info, object_id, method))
    annotations = {BLOB_ANNOTATION: routing}
    received_with = blob.serializer
    if received_with is not None:
        if received_with.id != serializer.id and received_with.id in _ONLY_IF_CHOSEN:
            raise SerializeError(
                f"a blob in {received_with.name!r} is passed on only by a proxy that "
                "has chosen that serializer; its answer would be in it too"
            )
        return received_with.id, blob.data, annotations
    call: object = (object_id, method, blob.data, {})
    if serializer is _JSON:
        call = {
            "object": object_id,
            "method": method,
            "params": blob.data,
            "kwargs": {},
        }
    return serializer.id, serializer.dumps(call), annotations
