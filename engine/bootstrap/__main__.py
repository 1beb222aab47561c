"""`python3 -m engine.bootstrap demo`: the same as `python3 -m engine demo`."""

from engine.bootstrap import main

if __name__ == "__main__":
    raise SystemExit(main())
