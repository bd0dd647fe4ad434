"""Makes the processes that a test starts like those of a user, and keeps them on this computer.

pandas is here for the tests alone (``datasets`` brings it along); a library that looks whether it is there
would load it in each process, for a second. The offline rules are those of every test.
"""

import runpy
import sys
from pathlib import Path

sys.modules["pandas"] = None
runpy.run_path(str(Path(__file__).parents[2] / "offline" / "sitecustomize.py"))
