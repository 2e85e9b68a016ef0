"""Store models, weights and builds by content: weights once per fleet, exported models once per machine."""

from specialize.store.builds import keep_build, restore_build
from specialize.store.collect import Collected, collect
from specialize.store.damage import Damage, damages, is_intact
from specialize.store.entry import Entry
from specialize.store.local import Store
from specialize.store.location import open_store, store_root

__all__ = [
    "Collected",
    "Damage",
    "Entry",
    "Store",
    "collect",
    "damages",
    "is_intact",
    "keep_build",
    "open_store",
    "restore_build",
    "store_root",
]
