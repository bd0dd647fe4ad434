"""Runs a Python program that file permissions hold for: root gives up the right to pass them over.

``python unprivileged.py -m dermagui ...``; ends with ``NOT_HERE`` where that cannot be done.
"""

import ctypes
import os
import sys

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
NOT_HERE = 77

if os.geteuid() == 0:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            sys.exit(NOT_HERE)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
