"""A film of one flat colour as H.264 (ITU-T H.264, constrained baseline, CAVLC), written bit by bit.

The first picture is a keyframe: its first macroblock carries the colour raw (I_PCM), every other one is predicted from
its neighbours (Intra 16x16, DC) and costs one byte. All later pictures say "as before". So a picture of any size is real
and small, and nothing has to be computed.
"""

from __future__ import annotations

#: Edge of a macroblock in pixels.
BLOCK = 16

#: Most macroblocks of a picture, and the level_idc that allows them at 24 pictures a second (table A-1).
_LEVELS = ((1620, 30), (3600, 31), (8192, 40), (36864, 51))

PROFILE = 66
COMPATIBLE = 0xC0  # baseline, and constrained so that every decoder takes it

_NAL_SPS, _NAL_PPS, _NAL_KEY, _NAL_NEXT = 0x67, 0x68, 0x65, 0x41

#: Intra 16x16 with DC prediction and nothing left over: mb_type 3, chroma DC, no change of quality, no coefficients.
#: Beside the raw macroblock, whose blocks all count as full, "no coefficients" is spelled differently (table 9-5).
_PREDICTED = "00100" + "1" + "1" + "1"
_BESIDE_RAW = "00100" + "1" + "1" + "000011"


def level_of(width: int, height: int) -> int:
    """level_idc for pictures of that many pixels. Raises ValueError when they are larger than any level allows."""
    size = _blocks(width) * _blocks(height)
    for most, level in _LEVELS:
        if size <= most:
            return level
    raise ValueError(f"{width}x{height} is larger than any level of H.264 allows")


def parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    """SPS and PPS of pictures of `width` x `height` pixels, both even."""
    across, down = _blocks(width), _blocks(height)
    right, bottom = (across * BLOCK - width) // 2, (down * BLOCK - height) // 2
    sps = f"{PROFILE:08b}{COMPATIBLE:08b}{level_of(width, height):08b}" + _ue(0)
    sps += _ue(0)  # frame_num has 4 bits
    sps += _ue(2)  # pictures are shown in the order in which they come
    sps += _ue(1) + "0"  # one reference picture, no gaps
    sps += _ue(across - 1) + _ue(down - 1) + "11"  # frames only, direct_8x8_inference
    sps += "1" + _ue(0) + _ue(right) + _ue(0) + _ue(bottom) if right or bottom else "0"
    sps += "0"  # no VUI
    pps = _ue(0) + _ue(0) + "00" + _ue(0) + _ue(0) + _ue(0) + "000" + _ue(0) + _ue(0) + _ue(0)
    pps += "1" + "0" + "0"  # slices say whether to deblock
    return _nal(_NAL_SPS, sps), _nal(_NAL_PPS, pps)


def keyframe(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """The first picture, flat in `colour` (Y, Cb, Cr)."""
    across, down = _blocks(width), _blocks(height)
    head = _ue(0) + _ue(7) + _ue(0) + "0000" + _ue(0)  # all of it intra; frame 0, picture 0
    head += "00" + _ue(0) + _ue(1)  # no long-term reference, same quality, not deblocked
    head += _ue(25)  # I_PCM
    head += "0" * (-len(head) % 8)
    luma, blue, red = (f"{part:08b}" for part in colour)
    rest = [luma * 256, blue * 64, red * 64]
    for row in range(down):
        for column in range(across):
            if row or column:
                rest.append(_BESIDE_RAW if row + column == 1 else _PREDICTED)
    return _nal(_NAL_KEY, head + "".join(rest))


def repeat(width: int, height: int, number: int) -> bytes:
    """Picture `number` (from 1): as the one before."""
    head = _ue(0) + _ue(5) + _ue(0) + f"{number % 16:04b}" + "0" + "0" + "0" + _ue(0) + _ue(1)
    return _nal(_NAL_NEXT, head + _ue(_blocks(width) * _blocks(height)))


def _blocks(pixels: int) -> int:
    return -(-pixels // BLOCK)


def _ue(value: int) -> str:
    """Exponential Golomb code (9.1). The signed form is the same for 0."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _nal(kind: int, bits: str) -> bytes:
    """A NAL unit: header byte, bits, stop bit, and a 3 put wherever the bytes would look like a start code (7.4.1)."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    if b"\0\0" in body:
        body = _escaped(body)
    return bytes((kind,)) + body


def _escaped(body: bytes) -> bytes:
    out = bytearray()
    zeros = 0
    for byte in body:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)
