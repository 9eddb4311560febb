"""What can be run, as data: one YAML file per workload, model, data set, backend, implementation, platform and round.

Shipped entries lie below `data/<kinds>/<name>.yml`. Folders named in the environment variable `LOADFLEET_CATALOGUE`
(separated by `os.pathsep`, the first wins) are laid over them with the same layout, so that a user adds a model by
adding one file `models/<name>.yml`. Only the files of the wanted kind are parsed, and `jsonschema` is imported only
when an entry of such a folder is read: listing stays fast. Models that a user brought have their entries in a store's
own folder `catalogue`, which is looked into last.
"""

from __future__ import annotations

from loadfleet.catalogue.choice import dataset_of, model_of
from loadfleet.catalogue.entry import KINDS, Entry, folder_of, kind_of
from loadfleet.catalogue.loader import entries, find, get, lookup, matches

__all__ = [
    "KINDS",
    "Entry",
    "dataset_of",
    "entries",
    "find",
    "folder_of",
    "get",
    "kind_of",
    "lookup",
    "matches",
    "model_of",
]
