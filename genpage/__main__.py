"""``python -m genpage``: the same as the ``genpage`` command."""

from genpage.cli import main

main()
