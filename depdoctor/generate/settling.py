"""The program that makes a folder of an image independent of the machine that builds it."""

from __future__ import annotations

SETTLE_PATH = "settle.py"
"""Where it lies in the bundle."""

SETTLE = '''\
"""Gives all that a folder holds the modes and times that it has whoever builds it: settle.py FOLDER [LEFT_OUT...].

Made by `depdoctor generate`. What may be executed stays so; nothing but its owner may write. LEFT_OUT are paths inside.
"""

import os
import shutil
import stat
import sys

MOMENT_S = 315532800


def settle(path):
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        os.chmod(path, 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
    os.utime(path, (MOMENT_S, MOMENT_S), follow_symlinks=False)


folder = sys.argv[1]
for left_out in sys.argv[2:]:
    path = os.path.join(folder, left_out)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.remove(path)
for place, folders, files in os.walk(folder, topdown=False):
    for name in folders + files:
        settle(os.path.join(place, name))
settle(folder)
'''
"""For any Python 3 alone: the bases have one, and need neither `find` nor a shell for it."""
