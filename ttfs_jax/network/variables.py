"""The variables of one layer within nested dictionaries: params, statistics, windows."""


def layer_of(tree: dict, name: str) -> dict:
    """Return the sub-tree of a layer, such as `block_0/first`."""
    for part in name.split("/"):
        tree = tree[part]
    return tree


def with_layer(tree: dict, name: str, leaf: dict) -> dict:
    """Return the tree with the layer of that name replaced; nothing is changed in place."""
    head, _, rest = name.partition("/")
    return tree | {head: with_layer(tree[head], rest, leaf) if rest else leaf}
