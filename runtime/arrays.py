"""The array types of this room, and the one legend of their shapes.

Legend::

    R       rows of the catalog           E       entities of the catalog
    n       tokens or positions           width   size of a hidden state

A position's scores are float32 ``(R + E,)``: rows first, then entities, in catalog order.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float32]
