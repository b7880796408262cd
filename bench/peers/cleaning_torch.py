"""Data hyper-cleaning in PyTorch.

unrolled   one graph of all steps, differentiated with create_graph
loop       a loop over stored weights that takes each step's vector-Jacobian product
compile    the same, with the step compiled
"""
import peer

import torch

torch.set_num_threads(peer.threads)
given = peer.inputs()
steps, rate, classes = int(given["steps"]), given["rate"], 10
X, V, lam = (torch.from_numpy(given[name]) for name in ("x", "valid_x", "lambda"))
y, u = (torch.from_numpy(given[name]).long() for name in ("y", "valid_y"))
Y = torch.nn.functional.one_hot(y, classes).float()
N, width = X.shape
cross_entropy = torch.nn.functional.cross_entropy


def zeros():
    return torch.zeros(width, classes), torch.zeros(classes)


def unrolled():
    l = lam.detach().requires_grad_()
    W, b = (w.requires_grad_() for w in zeros())
    for _ in range(steps):
        J = (l * cross_entropy(X @ W + b, y, reduction="none")).mean()
        gW, gb = torch.autograd.grad(J, (W, b), create_graph=True)
        W, b = W - rate * gW, b - rate * gb
    E = cross_entropy(V @ W + b, u)
    return E.item(), torch.autograd.grad(E, l)[0]


def step(W, b, l):
    """The step with its gradient written out, which torch.compile sees through."""
    G = (torch.softmax(X @ W + b, 1) - Y) * (l / N)[:, None]
    return W - rate * (X.T @ G), b - rate * G.sum(0)


def looped(step):
    def run():
        (W, b), trajectory = zeros(), []
        with torch.no_grad():
            for _ in range(steps):
                trajectory.append((W, b))
                W, b = step(W, b, lam)
        W, b = W.requires_grad_(), b.requires_grad_()
        E = cross_entropy(V @ W + b, u)
        alpha, g = torch.autograd.grad(E, (W, b)), torch.zeros(N)
        for W, b in reversed(trajectory):
            at = [t.detach().requires_grad_() for t in (W, b, lam)]
            *alpha, share = torch.autograd.grad(step(*at), at, alpha)
            g += share
        return E.item(), g

    return run


forms = {"unrolled": lambda: unrolled, "loop": lambda: looped(step), "compile": lambda: looped(torch.compile(step))}
if peer.form not in forms:
    peer.wrong_form(*forms)
f = forms[peer.form]()
E, g = f()
peer.serve(lambda: {"seconds": peer.timed(f)}, lambda: {"lambda": g, "response": E}, torch=torch.__version__)
