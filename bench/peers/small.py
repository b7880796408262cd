"""Logistic regression with a learned decay for each feature, in JAX: a hypergradient and an update, compiled as one."""
import peer

import jax

import logistic

UNITS = 1000                                            # hypergradients of a round

if peer.form != "plain":
    peer.wrong_form("plain")
given = peer.inputs()
outer, first = logistic.problem(given)
E, g = jax.block_until_ready(jax.jit(jax.value_and_grad(outer))(first))


@jax.jit
def unit(decay):
    E, g = jax.value_and_grad(outer)(decay)
    return decay - given["hyper_rate"] * g, E


def units():
    decay = first
    for _ in range(UNITS):
        decay, E = unit(decay)
    jax.block_until_ready((decay, E))


units()
peer.serve(lambda: {"seconds": peer.timed(units) / UNITS}, lambda: {"decay": g, "response": E}, jax=jax.__version__)
