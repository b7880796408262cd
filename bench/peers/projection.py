"""Projection on the box [0, 1] with a sum bound, in numpy: bisection for the multiplier, which stops at float32's
precision.

plain     as one writes it
tuned     with buffers that are used again
cvxopt    as a quadratic program, by an interior-point method: for sizes of thousands
"""
import peer

import numpy

given = peer.inputs()
v, bound = given["x"], given["bound"]
work = numpy.empty_like(v)


def bisected(mass, highest):
    """The multiplier at which the clipped mass is the bound, from above."""
    lo, hi = 0.0, highest
    while hi - lo > 1e-7 * max(1.0, hi):
        middle = (lo + hi) / 2
        if mass(middle) > bound:
            lo = middle
        else:
            hi = middle
    return hi


def plain():
    x = numpy.clip(v, 0, 1)
    if x.sum() <= bound:
        return x
    return numpy.clip(v - bisected(lambda m: numpy.clip(v - m, 0, 1).sum(), float(v.max())), 0, 1)


def clipped(m):
    numpy.subtract(v, numpy.float32(m), out=work)
    return numpy.clip(work, 0, 1, out=work)


def tuned():
    if clipped(0).sum() > bound:
        clipped(bisected(lambda m: clipped(m).sum(), float(v.max())))
    return work


def by_cvxopt():
    from cvxopt import matrix, solvers, sparse, spmatrix

    solvers.options["show_progress"] = False
    n = len(v)
    identity = spmatrix(1.0, range(n), range(n))
    G = sparse([-identity, identity, matrix(1.0, (1, n))])
    h = matrix(numpy.concatenate([numpy.zeros(n), numpy.ones(n), [bound]]))
    return numpy.array(solvers.qp(identity, matrix(-v.astype(float)), G, h)["x"], numpy.float32).ravel()


forms = {"plain": plain, "tuned": tuned, "cvxopt": by_cvxopt}
if peer.form not in forms:
    peer.wrong_form(*forms)
f = forms[peer.form]
TIMES = 1 if peer.form == "cvxopt" else 3
f()
peer.serve(lambda: {"seconds": min(peer.timed(f) for _ in range(TIMES))}, lambda: {"x": f()})
