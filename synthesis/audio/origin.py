"""What every file says about its origin: that its speech is synthetic, and whose it is.

The property is IPTC's Digital Source Type, a URI of its controlled vocabulary
(https://cv.iptc.org/newscodes/digitalsourcetype/). It is written as a tag of its own and,
where the format has a place for it, as an XMP packet (XMP Specification, part 3): an ID3
frame `PRIV`, a WAV chunk `_PMX`, a box `uuid` in MP4. Raw AAC and PCM have no tags.
"""

import struct
from dataclasses import dataclass
from xml.sax.saxutils import escape

_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True, slots=True)
class Origin:
    """The voices that a file was made with."""

    voices: tuple[str, ...]  # ids, in the order of their first words
    is_trained: bool
    """Whether any of them is a model that was trained on recordings, not rules alone."""

    @property
    def source_type(self) -> str:
        """The URI of the digital source type."""
        kind = "trainedAlgorithmicMedia" if self.is_trained else "algorithmicMedia"
        return _VOCABULARY + kind

    def tags(self) -> dict[str, str]:
        """Return the tags by name."""
        providers = dict.fromkeys(voice.partition(":")[0] for voice in self.voices)
        return {
            "DigitalSourceType": self.source_type,
            "SpeechProvider": ", ".join(providers),
            "SpeechVoice": ", ".join(self.voices),
        }

    def comment(self) -> str:
        """Return all tags as one line, for formats that have none of their own names."""
        return "; ".join(f"{name}={value}" for name, value in self.tags().items())

    def xmp(self) -> bytes:
        """Return an XMP packet with the digital source type and the voices."""
        return (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
            ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
            ' rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
            ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
            f"<Iptc4xmpExt:DigitalSourceType>{self.source_type}"
            "</Iptc4xmpExt:DigitalSourceType>"
            f"<xmp:CreatorTool>{escape(', '.join(self.voices))}</xmp:CreatorTool>"
            '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
        ).encode()


def wav_chunks(origin: Origin | None) -> bytes:
    """Return the chunks of a WAV file that say its origin."""
    if origin is None:
        return b""
    comment = _chunk(b"ICMT", origin.comment().encode() + b"\0")
    return _chunk(b"LIST", b"INFO" + comment) + _chunk(b"_PMX", origin.xmp())


def mp4_box(origin: Origin) -> bytes:
    """Return the box of an MP4 file with its XMP packet; it may stand at the end."""
    content = b"uuid" + _XMP_BOX + origin.xmp()
    return struct.pack(">I", len(content) + 4) + content


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
