"""What crosses the network: frames, the coding of their parts, and the ledger that counts them."""

from scarlet_pl.wire import fields
from scarlet_pl.wire.codecs import Float16, Float32, LabelCodec
from scarlet_pl.wire.frame import Envelope, Message
from scarlet_pl.wire.ledger import DIRECTIONS, PARTS, CommunicationLedger, Direction
from scarlet_pl.wire.quantized import Quantized
from scarlet_pl.wire.size_only import SizeOnly

__all__ = [
    "DIRECTIONS",
    "PARTS",
    "CommunicationLedger",
    "Direction",
    "Envelope",
    "Float16",
    "Float32",
    "LabelCodec",
    "Message",
    "Quantized",
    "SizeOnly",
    "fields",
]
