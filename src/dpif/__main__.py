"""``python -m dpif``: the command line."""

from __future__ import annotations

import sys

from dpif.cli import main

sys.exit(main())
