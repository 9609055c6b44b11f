"""``python -m sampleinfo``: the command line."""

from sampleinfo.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
