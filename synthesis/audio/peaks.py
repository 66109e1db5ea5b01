"""Compute the peaks of a waveform, for players to draw."""

from collections.abc import Iterable

import numpy as np

from synthesis.audio.decoding import Samples


def peaks(blocks: Iterable[Samples], *, total: int, count: int) -> list[int]:
    """Return the loudest sample (0 to 32,767) in each of `count` equal intervals.

    `total` is the expected number of samples; it may be slightly wrong.
    """
    if total <= 0:
        return [0] * count
    edges = np.arange(count + 1, dtype=np.int64) * total // count
    outline = np.zeros(count, np.int32)
    position = 0
    for block in blocks:
        if not len(block):
            continue
        loud = np.abs(block.astype(np.int32))
        first = min(int(np.searchsorted(edges, position, "right")) - 1, count - 1)
        last = min(
            int(np.searchsorted(edges, position + len(block) - 1, "right")) - 1,
            count - 1,
        )
        starts = np.maximum(edges[first : last + 1] - position, 0)
        # Intervals shorter than a sample start where the next one does.
        outline[first : last + 1] = np.maximum(
            outline[first : last + 1],
            np.maximum.reduceat(loud, np.minimum(starts, len(loud) - 1)),
        )
        position += len(block)
    return [int(peak) for peak in np.minimum(outline, 32_767)]
