"""A step of training a network of 15.7 million weights by momentum, and a step of Forward-HG, in JAX. State and tangents
are donated, so that they are updated in place where XLA can.

plain       a step of training
jvp         with tangents for three hyperparameters, by vmap of jvp
linearize   the same, by vmap of the linear part
"""
import peer

import jax
import jax.numpy as jnp

given = peer.inputs()
steps = int(given["steps"])
hypers = jnp.array([given["rate"], given["momentum"], given["rho"]], jnp.float32)
HIDDEN = sorted(name[:-2] for name in given if name.startswith("hidden") and name.endswith("_W"))
LAYERS = [*HIDDEN, "primary", "secondary"]


def part(which):
    label = jax.nn.one_hot(given[which + "_label"], given["primary_W"].shape[1])
    return jnp.asarray(given[which + "_x"]), label, jnp.asarray(given[which + "_embedding"])


train, valid = part("train"), part("valid")


def losses(w, x, label, embedding):
    for name in HIDDEN:
        x = jax.nn.relu(x @ w[name][0] + w[name][1])
    logits, guess = (x @ w[name][0] + w[name][1] for name in LAYERS[-2:])
    return -(label * jax.nn.log_softmax(logits)).sum(1).mean(), ((guess - embedding) ** 2).sum(1).mean()


def inner(w, rho):
    primary, secondary = losses(w, *train)
    return primary + rho * 0.5 * secondary


def step(state, hypers):
    w, v = state
    rate, momentum, rho = hypers
    v = jax.tree.map(lambda v, g: momentum * v + g, v, jax.grad(inner)(w, rho))
    return jax.tree.map(lambda w, v: w - rate * v, w, v), v


def by_jvp(state, Z):
    def tangent(z, h):
        return jax.jvp(step, (state, hypers), (z, h))[1]

    return step(state, hypers), jax.vmap(tangent)(Z, jnp.eye(3))


def by_linearize(state, Z):
    after, linear = jax.linearize(step, state, hypers)
    return after, jax.vmap(linear)(Z, jnp.eye(3))


def initial():
    w = {name: (jnp.array(given[name + "_W"]), jnp.array(given[name + "_b"])) for name in LAYERS}
    return w, jax.tree.map(jnp.zeros_like, w)


def no_tangents(state):
    return jax.tree.map(lambda s: jnp.zeros((3, *s.shape)), state)


def least(f, carried):
    """The least time of a step, of `steps` after the first, from a state that is given away."""
    carried = jax.block_until_ready(f(*carried))
    times = []
    for _ in range(steps):
        start = peer.seconds()
        carried = jax.block_until_ready(f(*carried))
        times.append(peer.seconds() - start)
    return min(times)


plain = jax.jit(lambda state: (step(state, hypers),), donate_argnums=0)
forms = {"plain": None, "jvp": by_jvp, "linearize": by_linearize}
if peer.form not in forms:
    peer.wrong_form(*forms)
forward = peer.form != "plain" and jax.jit(forms[peer.form], donate_argnums=(0, 1))


def rounds():
    if not forward:
        return {"plain_seconds": least(plain, (initial(),))}
    state = initial()
    return {"seconds": least(forward, (state, no_tangents(state)))}


def outputs():
    """The partial hypergradient dE(s_t) Z_t after `steps` steps, or the response alone for plain training."""
    state = initial()
    Z = no_tangents(state)
    for _ in range(steps):
        if forward:
            state, Z = forward(state, Z)
        else:
            (state,) = plain(state)
    E, g = jax.value_and_grad(lambda w: losses(w, *valid)[0])(state[0])
    if not forward:
        return {"response": E}
    tangents = jax.tree.map(lambda g, z: jnp.tensordot(z, g, g.ndim), g, Z[0])
    rate, momentum, rho = sum(jax.tree.leaves(tangents))
    return {"rate": rate, "momentum": momentum, "rho": rho, "response": E}


rounds()
peer.serve(rounds, outputs, jax=jax.__version__)
