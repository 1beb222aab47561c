"""`python3 -m engine demo`, `python3 -m engine test`: the two commands of the README."""

from engine.bootstrap import main

if __name__ == "__main__":
    raise SystemExit(main())
