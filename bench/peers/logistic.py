"""The small problem in JAX: logistic regression trained by gradient descent, judged on other data."""
import jax
import jax.numpy as jnp


def problem(given):
    """The outer objective as a function of the logarithms of the decays, and where these begin."""
    X, y, V, u = (jnp.asarray(given[name]) for name in ("x", "y", "valid_x", "valid_y"))
    steps, rate = int(given["steps"]), given["rate"]

    def loss(z, y):
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def outer(decay):
        def step(w, _):
            g = jax.grad(lambda w: loss(X @ w, y) + 0.5 * jnp.sum(jnp.exp(decay) * w * w))(w)
            return w - rate * g, None

        w, _ = jax.lax.scan(step, jnp.zeros(X.shape[1]), None, length=steps)
        return loss(V @ w, u)

    return outer, jnp.asarray(given["decay"])
