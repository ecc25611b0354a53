"""Simple methods that scripts of results put beside a model, fitted on the training rows of its own folds; NumPy alone.

Penalties and sizes are chosen by cross-validation within those rows; rows of one group (a person, a run) stay together.
"""
import re

import numpy as np

NEIGHBOURS, PARTS = 15, 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
RIDGES = tuple(10.0 ** k for k in np.arange(-1, 5.1, 0.5))


# --- rows and features ---

def parts(n, groups=None):
    """A part for each row, in no order but always the same one; a group is in one part."""
    groups = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    return (np.random.default_rng(0).permutation(groups.max() + 1) % PARTS)[groups]


def standardised(known, *others):
    """By the known rows; what is missing is at their mean."""
    with np.errstate(invalid="ignore"):
        mean, sd = np.nan_to_num(np.nanmean(known, 0)), np.nanstd(known, 0)
    sd[~(sd > 1e-9)] = 1.0
    return [np.nan_to_num((x - mean) / sd) for x in (known, *others)]


def block(known, *others, total=100.0):
    """Centred, and of the same variance in all whatever the block's width."""
    mean = known.mean(0)
    scale = np.sqrt(total / known.var(0).sum())
    return [(x - mean) * scale for x in (known, *others)]


def principal(known, *others, n=40):
    """Principal components of the known rows, the largest first; of no more than there are."""
    mean = known.mean(0)
    x = known - mean
    if x.shape[1] > len(x):  # the same from products of rows
        s, u = np.linalg.eigh(x @ x.T)
        v = x.T @ (u / np.sqrt(np.maximum(s, 1e-12 * s[-1])))
    else:
        v = np.linalg.eigh(x.T @ x)[1]
    v = v[:, ::-1][:, :min(n, *np.subtract(x.shape, (1, 0)))]
    return [(x - mean) @ v for x in (known, *others)]


def words(texts, known):
    """tf-idf of the words of all texts, of length 1; words and weights are those of the `known` texts."""
    bags = [re.findall(r"\w+", text.lower()) for text in texts]
    names = sorted({word for i in known for word in bags[i]})
    column = {word: k for k, word in enumerate(names)}
    x = np.zeros((len(bags), len(names)))
    for row, bag in zip(x, bags):
        for word in bag:
            if word in column:
                row[column[word]] += 1
    x = np.log1p(x) * np.log((1 + len(known)) / (1 + (x[known] > 0).sum(0)))
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


# --- scores ---

def auc(s, y):
    a, b = s[y == 1], s[y == 0]
    return ((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum()) / (len(a) * len(b))


# --- neighbours ---

def distances(z, known):
    """Squared, [row of z, known row]."""
    return (z ** 2).sum(1)[:, None] - 2 * z @ known.T + (known ** 2).sum(1)


def nearest(known, z):
    """Of each row of z the nearest known ones, the nearest first."""
    return np.argsort(distances(z, known), 1, kind="stable")[:, :NEIGHBOURS]


# --- clusters ---

def clusters(x, k, starts=10, steps=100):
    """k-means from starts far from each other, the best of several; a cluster for each row."""
    draw, found = np.random.default_rng(0), []
    for _ in range(starts):
        centre = x[[draw.integers(len(x))]]
        while len(centre) < k:
            away = np.maximum(distances(x, centre).min(1), 0.0)
            centre = np.vstack([centre, x[draw.choice(len(x), p=away / away.sum())]])
        for _ in range(steps):
            distance = distances(x, centre)
            own = distance.argmin(1)
            moved = np.array([x[own == j].mean(0) if (own == j).any() else centre[j] for j in range(k)])
            if (moved == centre).all():
                break
            centre = moved
        found.append((distance.min(1).sum(), own))
    return min(found, key=lambda pair: pair[0])[1]


def rand_index(a, b):
    """Adjusted for chance."""
    a, b = (np.unique(v, return_inverse=True)[1] for v in (a, b))
    both = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(both, (a, b), 1)
    pairs, of_a, of_b, everything = ((v * (v - 1) / 2).sum() for v in (both, both.sum(1), both.sum(0), np.array([len(a)])))
    chance = of_a * of_b / everything
    return (pairs - chance) / ((of_a + of_b) / 2 - chance)


# --- ridge regression ---

def ridges(known, y, z, penalties):
    """[penalty, row, output]: regressions of standardised features, the intercept free."""
    x, z = standardised(known, z)
    mean = y.mean(0)
    y = y - mean
    if x.shape[1] > len(x):
        s, u = np.linalg.eigh(x @ x.T)
        left, right = z @ (x.T @ u), u.T @ y
    else:
        s, u = np.linalg.eigh(x.T @ x)
        left, right = z @ u, u.T @ (x.T @ y)
    return np.stack([mean + left @ (right / (s + p)[:, None]) for p in penalties])


def ridge(known, y, z, groups=None, penalties=RIDGES):
    """Each output with the penalty of the least squared error."""
    y, part = y.reshape(len(y), -1), parts(len(y), groups)
    error = np.zeros((len(penalties), y.shape[1]))
    for k in range(PARTS):
        own = part == k
        error += ((ridges(known[~own], y[~own], known[own], penalties) - y[own]) ** 2).sum(1)
    best = error.argmin(0)
    return ridges(known, y, z, penalties)[best, :, np.arange(y.shape[1])].T


def kernel_ridge(known, y, groups=None, widths=(0.1, 0.25, 0.5, 1.0), penalties=(0.03, 0.1, 0.3, 1.0, 3.0)):
    """A function from rows to guesses of y: a Gaussian kernel, its width in parts of the median squared distance."""
    square, part = distances(known, known), parts(len(y), groups)
    error, unit = np.zeros((len(widths), len(penalties))), np.median(square)

    def weights(kernel, y, penalty):
        return np.linalg.solve(kernel + penalty * np.eye(len(y)), y - y.mean(0))

    for i, width in enumerate(widths):
        kernel = np.exp(-square / (width * unit))
        for own in (part == k for k in range(PARTS)):
            inner, across = kernel[~own][:, ~own], kernel[own][:, ~own]
            for j, penalty in enumerate(penalties):
                guess = y[~own].mean(0) + across @ weights(inner, y[~own], penalty)
                error[i, j] += (((guess - y[own]) ** 2).sum(0) / y.var(0)).sum()
    width, penalty = (of[k] for of, k in zip((widths, penalties), np.unravel_index(error.argmin(), error.shape)))
    weight = weights(np.exp(-square / (width * unit)), y, penalty)
    return lambda z: y.mean(0) + np.exp(-distances(z, known) / (width * unit)) @ weight


# --- Poisson regression ---

def poisson_rates(known, y, z, penalty, start=None, steps=8):
    """(mean counts for rows of z, weights): a log-linear model of each column of y, the intercept free."""
    x, z = (np.c_[v, np.ones(len(v))] for v in (known, z))
    ridge = np.r_[np.full(x.shape[1] - 1, penalty), 1e-6]
    w = start
    if w is None:
        w = np.zeros((x.shape[1], y.shape[1]))
        w[-1] = np.log(np.maximum(y.mean(0), 1e-4))
    products = (x[:, :, None] * x[:, None]).reshape(len(x), -1)
    for _ in range(steps):
        mean = np.exp(np.minimum(x @ w, 5.0))
        slope = x.T @ (y - mean) - ridge[:, None] * w
        curvature = (mean.T @ products).reshape(-1, len(ridge), len(ridge)) + np.diag(ridge)
        step = np.linalg.solve(curvature, slope.T[:, :, None])[:, :, 0].T
        w = w + step / np.maximum(1.0, np.abs(step).max(0))
    return np.exp(np.minimum(z @ w, 5.0)), w


def poisson(known, y, z, groups=None, penalties=(100.0, 30.0, 10.0, 3.0, 1.0)):
    """`poisson_rates` of standardised features, each column of y with the penalty of the best left-out likelihood."""
    known, z = standardised(known, z)
    part, gain = parts(len(y), groups), np.zeros((len(penalties), y.shape[1]))
    for own in (part == k for k in range(PARTS)):
        w = None
        for i, penalty in enumerate(penalties):
            rate, w = poisson_rates(known[~own], y[~own], known[own], penalty, w, 8 if w is None else 3)
            gain[i] += (y[own] * np.log(rate) - rate).sum(0)
    best = gain.argmax(0)
    out = np.empty((len(z), y.shape[1]))
    for i in np.unique(best):
        out[:, best == i] = poisson_rates(known, y[:, best == i], z, penalties[i])[0]
    return out


# --- canonical correlation ---

def correlate(known, other_known, a, b, penalties):
    """[penalty, row of a, row of b]: cosines of what the two sides share, by principal components of either."""
    sides = [block(*x, total=x[0].shape[1]) for x in (principal(known, a, n=200), principal(other_known, b, n=400))]
    spectra = [np.linalg.eigh(x.T @ x / len(x)) for x, _ in sides]
    out = []
    for penalty in penalties:
        roots = [u / np.sqrt(np.maximum(s, 0) + penalty) for s, u in spectra]
        (x, a), (y, b) = ([v @ root for v in side] for side, root in zip(sides, roots))
        u, s, v = np.linalg.svd(x.T @ y / len(x), full_matrices=False)
        a, b = a @ u * s, b @ v.T * s
        out.append((a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T)
    return np.array(out)


def matched(s):
    """Area of own pairs, the diagonal, against all others."""
    own = np.eye(len(s), dtype=bool)
    others = np.sort(s[~own])
    return np.mean([np.searchsorted(others, s[own], side) for side in ("left", "right")]) / len(others)


def canonical(known, other_known, a, b, groups=None, penalties=(0.1, 0.3, 1.0, 3.0)):
    """`correlate` with the penalty that tells left-out known pairs best."""
    part, area = parts(len(known), groups), np.zeros(len(penalties))
    for k in range(PARTS):
        own = part == k
        area += [matched(s) for s in correlate(known[~own], other_known[~own], known[own], other_known[own], penalties)]
    return correlate(known, other_known, a, b, [penalties[area.argmax()]])[0]


# --- logistic regression ---

def logit(known, y, z, n_classes, penalty, steps=300):
    """Scores of classes by a multinomial logistic regression; the intercept is free."""
    known, z = np.c_[known, np.ones(len(known))], np.c_[z, np.ones(len(z))]
    penalty = np.r_[np.full(known.shape[1] - 1, penalty), 1e-6][:, None]
    inverse = np.linalg.inv(0.5 * known.T @ known + np.diag(penalty[:, 0]))  # a bound of the curvature: Boehning 1992
    target, w = np.eye(n_classes)[y], np.zeros((known.shape[1], n_classes))
    ahead, age = w, 0
    for _ in range(steps):  # Nesterov's accelerated gradient, begun anew where it turns
        s = known @ ahead
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        slope = known.T @ (target - p) - penalty * ahead
        step = ahead + inverse @ slope - w
        age = 0 if (slope * step).sum() < 0 else age + 1
        w = w + step
        ahead = w + age / (age + 3.0) * step
        if np.abs(step).max() < 1e-3 * np.abs(w).max():
            break
    return z @ w


def logistic(known, y, z, n_classes, groups=None):
    """`logit` with the penalty that names most of the left-out known rows, of as good ones the largest."""
    if known.shape[1] > len(known):  # a penalty does not mind a rotation, after which most columns are 0
        v = np.linalg.svd(known, full_matrices=False)[2].T
        known, z = known @ v, z @ v
    part, right = parts(len(y), groups), dict.fromkeys(PENALTIES, 0)
    for k in range(PARTS):
        own = part == k
        for penalty in PENALTIES:
            right[penalty] += (logit(known[~own], y[~own], known[own], n_classes, penalty).argmax(1) == y[own]).sum()
    return logit(known, y, z, n_classes, max(PENALTIES, key=lambda p: (right[p], p)))


def linear(known, y, z, n_classes, groups=None):
    """`logistic` of standardised features."""
    known, z = standardised(known, z)
    return logistic(known, y, z, n_classes, groups)
