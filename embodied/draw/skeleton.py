"""Thin lines of a picture as a graph: pixel chains between ends and junctions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ZOOM = 2  # thinning at twice the size keeps lines apart whose gap is a single pixel


@dataclass
class Graph:
    """Chains of a skeleton. points (n, 2) float32, px of the picture (a pixel's middle at +0.5), all chains one after the other;
    chain k is points[starts[k] : starts[k + 1]], from node tails[k] to node heads[k]; -1 where a chain closes on itself.

    nodes (m, 2): middles of ends and junctions. degree (m,): chains that end there.
    """

    points: np.ndarray
    starts: np.ndarray
    tails: np.ndarray
    heads: np.ndarray
    nodes: np.ndarray

    @property
    def degree(self) -> np.ndarray:
        ends = np.concatenate([self.tails, self.heads])
        return np.bincount(ends[ends >= 0], minlength=len(self.nodes))


# The neighbours of a pixel as (row, column), those beside it first.
AROUND = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))


def skeleton(ink: np.ndarray) -> Graph:
    """ink (H, W) float32, 0 paper to 1 ink -> its graph. A dot is a node without a chain."""
    from PIL import Image
    from skimage.morphology import skeletonize

    height, width = ink.shape
    big = Image.fromarray(ink).resize((width * ZOOM, height * ZOOM), Image.Resampling.BILINEAR)
    return graph(skeletonize(np.asarray(big) > 0.5))


def graph(thin: np.ndarray) -> Graph:
    """thin (H, W) bool, one pixel wide -> its graph, in units of ZOOM pixels."""
    stride = thin.shape[1] + 2
    flat = np.pad(thin, 1).ravel()
    at = np.flatnonzero(flat)
    place = np.full(len(flat), -1, np.int32)
    place[at] = np.arange(len(at))
    steps = [r * stride + c for r, c in AROUND]
    near = np.stack([place[at + s] for s in steps], 1)
    # A diagonal step is no step of its own where one can go round the corner.
    for k, (r, c) in enumerate(AROUND[4:], 4):
        near[(flat[at + r * stride]) | (flat[at + c]), k] = -1
    count = (near >= 0).sum(1)
    points = np.stack([at % stride - 0.5, at // stride - 0.5], 1).astype(np.float32) / ZOOM

    node, nodes = _nodes(points, near, count)
    chains, tails, heads = _walk(near, count, node)
    lengths = np.array([len(chain) for chain in chains], int)
    order = np.array([k for chain in chains for k in chain], int)
    return Graph(
        points[order],
        np.concatenate([[0], lengths.cumsum()]).astype(int),
        np.array(tails, int),
        np.array(heads, int),
        nodes,
    )


def _nodes(points: np.ndarray, near: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Node of every pixel (-1: none) and the middles: an end or a dot each for itself, adjacent pixels of junctions together."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    of_node = np.flatnonzero(count != 2)
    rank = np.full(len(count), -1)
    rank[of_node] = np.arange(len(of_node))
    crowded = count > 2
    a, k = np.nonzero(crowded[:, None] & (near >= 0))
    b = near[a, k]
    a, b = (x[crowded[b]] for x in (a, b))
    links = coo_matrix((np.ones(len(a)), (rank[a], rank[b])), (len(of_node),) * 2)
    total, label = connected_components(links, directed=False)
    node = np.full(len(count), -1)
    node[of_node] = label
    size = np.maximum(np.bincount(label, minlength=total), 1)
    middles = [np.bincount(label, points[of_node, j], total) / size for j in (0, 1)]
    return node, np.stack(middles, 1)


def _walk(near: np.ndarray, count: np.ndarray, node: np.ndarray) -> tuple[list[list[int]], list[int], list[int]]:
    """Chains as lists of pixels, the node pixels at both ends included, and their nodes. Plain lists: a step takes 0.1 us."""
    packed = np.sort(near, 1)[:, ::-1]
    one, two = packed[:, 0].tolist(), packed[:, 1].tolist()
    of, inner = node.tolist(), (count == 2).tolist()
    done = [False] * len(of)
    chains: list[list[int]] = []
    tails: list[int] = []
    heads: list[int] = []
    begin = np.flatnonzero(node >= 0)
    for start, neighbours in zip(begin.tolist(), near[begin].tolist(), strict=True):
        for k in neighbours:
            if k < 0 or done[k] or (not inner[k] and (of[k] == of[start] or k < start)):
                continue
            chain, last = [start], start
            while inner[k]:
                done[k] = True
                chain.append(k)
                k, last = (two[k] if one[k] == last else one[k]), k
            chain.append(k)
            chains.append(chain)
            tails.append(of[start])
            heads.append(of[k])
    for k in np.flatnonzero(count == 2).tolist():
        if not done[k]:
            chain, last = [], two[k]
            start = k
            while not done[k]:
                done[k] = True
                chain.append(k)
                k, last = (two[k] if one[k] == last else one[k]), k
            chains.append([*chain, start])
            tails.append(-1)
            heads.append(-1)
    return chains, tails, heads
