"""Where both frozen programs begin: the windowed one and ``dermagui-console``, which all children are."""

import sys
from multiprocessing import freeze_support

if __name__ == "__main__":
    freeze_support()
    from dermagui.__main__ import main

    sys.exit(main())
