"""`python -m tests.docs [PAGE...]`: writes what the commands of the manual print into its pages."""

from __future__ import annotations

import sys

from tests.docs.pages import pages, played

for page in pages():
    if len(sys.argv) == 1 or page.stem in sys.argv[1:]:
        page.write_text(played(page.read_text()))
        print(page.name)
