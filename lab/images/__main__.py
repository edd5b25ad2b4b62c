"""Builds the image where it is missing and prints its file: python -m lab.images SUITE"""

import sys

from lab.errors import LabError
from lab.images import debian


def main(words: list[str]) -> int:
    """What is said on the way goes to standard error."""
    try:
        print(debian.ensure(words[0] if words else "trixie", lambda text: print(text, file=sys.stderr, flush=True)))
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
