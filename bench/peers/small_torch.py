"""Logistic regression with a learned decay for each feature, in PyTorch: a hypergradient and an update."""
import peer

import torch

UNITS = 20                                              # hypergradients of a round

if peer.form != "unrolled":
    peer.wrong_form("unrolled")
torch.set_num_threads(peer.threads)
given = peer.inputs()
steps, rate, hyper_rate = int(given["steps"]), given["rate"], given["hyper_rate"]
X, y, V, u, first = (torch.from_numpy(given[name]) for name in ("x", "y", "valid_x", "valid_y", "decay"))
loss = torch.nn.functional.binary_cross_entropy_with_logits


def hypergradient(decay):
    decay = decay.detach().requires_grad_()
    w = torch.zeros(X.shape[1], requires_grad=True)
    for _ in range(steps):
        J = loss(X @ w, y) + 0.5 * (decay.exp() * w * w).sum()
        w = w - rate * torch.autograd.grad(J, w, create_graph=True)[0]
    E = loss(V @ w, u)
    return E.item(), torch.autograd.grad(E, decay)[0]


def units():
    decay = first
    for _ in range(UNITS):
        decay = decay - hyper_rate * hypergradient(decay)[1]


E, g = hypergradient(first)
peer.serve(lambda: {"seconds": peer.timed(units) / UNITS}, lambda: {"decay": g, "response": E},
           torch=torch.__version__)
