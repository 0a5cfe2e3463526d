"""The program that makes a folder of an image independent of the machine that builds it."""

from __future__ import annotations

SETTLE_PATH = "settle.py"
"""Where it lies in the bundle."""

SETTLE = '''\
"""Gives all that a folder holds the modes and times that it has whoever builds it: settle.py FOLDER [PATH...].

Made by `depdoctor generate`. What may be executed stays so; nothing but its owner may write. PATHs inside are left out;
one that is written sha256:HEX:PATH must be a file with that digest instead.
"""

import hashlib
import os
import re
import shutil
import stat
import sys

MOMENT_S = 315532800


def settle(path):
    mode = os.lstat(path).st_mode
    if not stat.S_ISLNK(mode):
        os.chmod(path, 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
    os.utime(path, (MOMENT_S, MOMENT_S), follow_symlinks=False)


def check(path, planned):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    if digest.hexdigest() != planned:
        sys.exit(path + ": these weights are not those of the plan. Run `depdoctor plan` to take them in, "
                 "or bring back the file that was planned")


folder = sys.argv[1]
for inside in sys.argv[2:]:
    planned = re.match("sha256:([0-9a-f]{64}):(.*)", inside, re.DOTALL)
    if planned:
        check(os.path.join(folder, planned.group(2)), planned.group(1))
        continue
    path = os.path.join(folder, inside)
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

SPLIT_PATH = "split.py"
"""Where it lies in the bundle, if any layer is split."""

SPLIT = '''\
"""Moves what FOLDER holds to FOLDER_1, FOLDER_2 and so on, as many parts of about one size: split.py FOLDER PARTS.

Made by `depdoctor generate`. No file is split.
"""

import os
import sys

folder, parts = sys.argv[1], int(sys.argv[2])
paths = sorted(os.path.join(place, name) for place, _, files in os.walk(folder) for name in files)
sizes = [os.lstat(path).st_size for path in paths]
total = max(sum(sizes), 1)
below = 0
for number in range(1, parts + 1):
    os.makedirs(folder + "_" + str(number))
for path, size in zip(paths, sizes):
    number = min(below * parts // total, parts - 1) + 1
    os.renames(path, os.path.join(folder + "_" + str(number), os.path.relpath(path, folder)))
    below += size
'''
