"""From the start of a process to its first hypergradient of the small problem, in JAX. A round is a process of its own:
this file once more, with the word `first`."""
import subprocess
import sys

import peer


def first():
    import jax

    import logistic

    outer, decay = logistic.problem(peer.inputs())
    E, g = jax.block_until_ready(jax.jit(jax.value_and_grad(outer))(decay))
    peer.say(peak_bytes=peer.peak_bytes(), jax=jax.__version__)
    peer.save({"decay": g, "response": E})


def process():
    """Seconds from its start to its line of JSON, and that line."""
    start = peer.seconds()
    with subprocess.Popen([sys.executable, *sys.argv, "first"], stdout=subprocess.PIPE) as child:
        line = child.stdout.readline()
        taken = peer.seconds() - start
    if child.returncode != 0:
        sys.exit(f"startup: the process ended with {child.returncode}")
    return taken, peer.json.loads(line)


if sys.argv[-1] == "first":
    first()
else:
    if peer.form != "plain":
        peer.wrong_form("plain")
    _, told = process()
    peer.say(ready=True, numpy=peer.numpy.__version__, jax=told["jax"])
    for _ in sys.stdin:
        peer.say(seconds=process()[0])
    peer.say(peak_bytes=told["peak_bytes"])
