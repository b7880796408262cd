"""What the peers share: arguments, the inputs that Hyla wrote, a clock, and the conversation with the harness.

A peer is called as PEER.py FOLDER FORM THREADS. It reads FOLDER/inputs/*.npy, gets ready (compiled and warm), and
answers on standard output in lines of JSON: {"ready": true, ...versions}, then for every line "go" that it is told one
round's seconds, and when there are no more lines the whole result, with the memory it held at its peak. Its
hypergradients go to FOLDER/FORM/*.npy, where the harness compares them with Hyla's.
"""
import json
import os
import pathlib
import resource
import sys
import time

folder, form, threads = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

# A library makes as many threads as it sees processors, so it must see the right number before it is imported.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(threads)

import numpy  # noqa: E402  (after the number of threads is set)

seconds = time.perf_counter


def inputs():
    """The workload's tensors and numbers by name."""
    read = {path.stem: numpy.load(path) for path in (folder / "inputs").glob("*.npy")}
    return {name: value.item() if value.ndim == 0 else value for name, value in read.items()}


def timed(work):
    """Seconds that work takes. It must wait for its own results."""
    start = seconds()
    work()
    return seconds() - start


def peak_bytes():
    """The resident high-water mark of this process."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def save(outputs):
    """Writes hypergradients where the harness looks for them."""
    (folder / form).mkdir(exist_ok=True)
    for name, value in outputs.items():
        numpy.save(folder / form / (name + ".npy"), numpy.asarray(value))


def say(**answer):
    print(json.dumps(answer), flush=True)


def serve(rounds, outputs, **versions):
    """rounds() -> seconds by name; outputs() -> arrays by name."""
    say(ready=True, numpy=numpy.__version__, **versions)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        say(**rounds())
    peak = peak_bytes()
    save(outputs())
    say(peak_bytes=peak)


def wrong_form(*known):
    sys.exit(f"{sys.argv[0]}: unknown form '{form}': expected one of {', '.join(known)}")
