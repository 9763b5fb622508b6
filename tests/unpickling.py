"""A value that shows whether it was unpickled."""

from __future__ import annotations

import os
from pathlib import Path


class FolderMaker:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path | str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)
