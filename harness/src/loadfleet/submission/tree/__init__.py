"""From results folders to the tree of a round: which cells, under which names, with which documents."""
