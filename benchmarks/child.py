"""`python -m benchmarks.child MODULE:FUNCTION`: a measurement in a process of its own.

Keyword arguments come as JSON on standard input; what the function returns is the last line of standard output.
"""

from __future__ import annotations

import importlib
import json
import sys

from loadfleet.errors import LoadfleetError


def main() -> int:
    """Call the function.

    Returns:
        0, or the exit status of the error whose message is on standard error.
    """
    module, _, function = sys.argv[1].partition(":")
    try:
        answer = getattr(importlib.import_module(module), function)(**json.load(sys.stdin))
    except LoadfleetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
