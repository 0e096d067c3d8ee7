"""What crosses the network: frames, the coding of their parts, and the ledger that counts them."""

from scarlet_pl.wire.codecs import Float32, LabelCodec
from scarlet_pl.wire.fields import decode_indices, decode_signals, encode_indices, encode_signals
from scarlet_pl.wire.frame import Envelope, Message
from scarlet_pl.wire.ledger import DIRECTIONS, PARTS, CommunicationLedger, Direction

__all__ = [
    "DIRECTIONS",
    "PARTS",
    "CommunicationLedger",
    "Direction",
    "Envelope",
    "Float32",
    "LabelCodec",
    "Message",
    "decode_indices",
    "decode_signals",
    "encode_indices",
    "encode_signals",
]
