"""Task interactions in JAX: one hypergradient with respect to C and rho, through T steps of momentum.

plain   scan and value_and_grad
remat   the same, with each step's inside taken again on the way back: less memory
"""
import peer

import jax
import jax.numpy as jnp

if peer.form not in ("plain", "remat"):
    peer.wrong_form("plain", "remat")
given = peer.inputs()
steps, rate, momentum = int(given["steps"]), given["rate"], given["momentum"]
classes = given["C"].shape[0]
X, V = jnp.asarray(given["x"]), jnp.asarray(given["valid_x"])
Y, U = jax.nn.one_hot(given["y"], classes), jax.nn.one_hot(given["valid_y"], classes)


def loss(W, b, X, Y):
    return -(Y * jax.nn.log_softmax(X @ W + b)).sum(1).mean()


def inner(w, laplacian, rho):
    W, b = w
    return loss(W, b, X, Y) + 2 * jnp.sum((W @ laplacian) * W) + rho * (W * W).sum()


def outer(hypers):
    C, rho = hypers
    A = (C + C.T) / 2
    laplacian = jnp.diag(A.sum(1)) - A

    def step(state, _):
        w, v = state
        v = jax.tree.map(lambda v, g: momentum * v + g, v, jax.grad(inner)(w, laplacian, rho))
        return (jax.tree.map(lambda w, v: w - rate * v, w, v), v), None

    zero = jnp.zeros((X.shape[1], classes)), jnp.zeros(classes)
    (w, _), _ = jax.lax.scan(jax.checkpoint(step) if peer.form == "remat" else step, (zero, zero), None, length=steps)
    return loss(*w, V, U)


f = jax.jit(jax.value_and_grad(outer))
hypers = jnp.asarray(given["C"]), jnp.float32(given["rho"])
E, g = jax.block_until_ready(f(hypers))
peer.serve(lambda: {"seconds": peer.timed(lambda: jax.block_until_ready(f(hypers)))},
           lambda: {"C": g[0], "rho": g[1], "response": E}, jax=jax.__version__)
