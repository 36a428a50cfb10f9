"""Import once, then fork a child for every request on stdin: a training run then costs its training only.

Each line is {"arguments": [...], "log": FILE, "largest_file": BYTES or null}, answered `started PID`, and
then an empty line, answered `ended STATUS`: until then the pid is nobody else's.
"""

import json
import os
import resource
import sys

import torch

import inference.train  # noqa: F401 - what takes seconds to import
import train
from configs import cli


def child(request):
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if request["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"], request["largest_file"]))
    sys.argv = ["train.py", *request["arguments"]]
    return cli.run_command(train.main)


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
