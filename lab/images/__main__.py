"""Builds the image where it is missing and prints its file: python -m lab.images tiny|SUITE"""

import sys

from lab.errors import LabError
from lab.images import debian, tiny


def main(words: list[str]) -> int:
    """What is said on the way goes to standard error."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    wanted = words[0] if words else "trixie"
    try:
        print(tiny.ensure(say) if wanted == "tiny" else debian.ensure(wanted, say))
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
