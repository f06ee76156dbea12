"""How was the embedded image set made?

    python scripts/make_embedded_set.py IDX_FOLDER [OUT]

takes the first 2,000 images of each category of Fashion-MNIST's training file and writes the file that the
package ships, the same bytes on every machine. IDX_FOLDER holds the original IDX files: those of the Debian
package dataset-fashion-mnist lie in /usr/share/datasets/fashion-mnist.
"""

import sys
from pathlib import Path

from scotoma.data import fashion
from scotoma.errors import InputError

SHIPPED = Path(__file__).parents[1] / "src/scotoma/data/fashion_mnist" / fashion.EMBEDDED


def main(arguments: list[str]) -> int:
    """Write the file; 0 on success, 2 on a user's mistake."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(arguments[1]) if len(arguments) == 2 else SHIPPED
    try:
        packed = fashion.pack_embedded_set(*fashion.read_idx_part(Path(arguments[0]), "train"))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    out.write_bytes(packed)
    print(f"{out}: {len(packed):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
