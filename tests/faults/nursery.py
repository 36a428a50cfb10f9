"""Imports once, then forks a child for every request on stdin, which costs its training only.

Each line is {"arguments": [...], "log": FILE, "largest_file": BYTES or null, "disk": null or {"at":
FOLDER, "size": …}} and is answered by `started PID`. An empty line is answered by `ended STATUS`;
until then no other process has that pid.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import torch

import experiment.training  # noqa: F401 - what takes seconds to import
import train
from configs import cli


def child(request):
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if request["largest_file"] is not None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (request["largest_file"], request["largest_file"])
        )
    sys.argv = ["train.py", *request["arguments"]]
    return on_small_disk(**request["disk"]) if request["disk"] else cli.run_command(train.main)


def on_small_disk(at, options):
    """Trains where FOLDER is a disk that only this process sees; then again, with room to write.

    What is there in the end is copied out of it. Status 77 where such disks cannot be made."""
    new_user, new_mounts = 0x10000000, 0x00020000
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(new_user | new_mounts) != 0:
        return 77
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        Path(f"/proc/self/{name}").write_text(line)
    if (
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", at], check=False).returncode
        != 0
    ):
        return 77
    print("status", cli.run_command(train.main), flush=True)
    subprocess.run(["mount", "-o", "remount,rw,size=100m", at], check=True)
    status = cli.run_command(train.main)
    shutil.copytree(at, f"{at}-after")
    return status


torch.set_num_threads(1)
while line := sys.stdin.readline():
    if not line.strip():
        continue
    pid = os.fork()
    if pid == 0:
        try:
            status = child(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 3
        os._exit(status)
    print("started", pid, flush=True)
    sys.stdin.readline()
    print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
