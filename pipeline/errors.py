"""Everything that Seamline raises on purpose.

    SeamlineError
    ├── RecipeError          the recipe is wrong: stops at once, names file, line and field
    ├── CatalogError         the catalog as a whole cannot be used; lists every bad row
    ├── StoreError           the store or the ledger cannot be reached or written
    ├── ItemError            one item cannot be finished: recorded, the batch goes on, never retried
    │   ├── UnreadableImage
    │   ├── NothingFound
    │   └── CheckFailed
    └── ModelError           weights or device
        ├── WeightsMissing
        ├── OutOfMemory
        └── LicenceRefused

One message says what happened, to which item, and what to do about it.
"""

from __future__ import annotations


class SeamlineError(Exception):
    """Base of every error that Seamline raises on purpose."""


class RecipeError(SeamlineError):
    """A recipe, or an override of it, is wrong. Stops at once."""


class CatalogError(SeamlineError):
    """The catalog as a whole cannot be used. The message lists every bad row."""


class StoreError(SeamlineError):
    """The store or the ledger cannot be reached or written."""


class ItemError(SeamlineError):
    """One item cannot be finished. Recorded with its reason; the batch goes on; never retried."""


class UnreadableImage(ItemError):
    """A file is not a picture that can be read within the limits."""


class NothingFound(ItemError):
    """No subject was found in the picture."""


class CheckFailed(ItemError):
    """A finished picture failed a measurement that its recipe asks for."""


class ModelError(SeamlineError):
    """A model cannot be loaded or run."""


class WeightsMissing(ModelError):
    """Weights are neither on disk nor in the local cache. The message says how to get them."""


class OutOfMemory(ModelError):
    """The device ran out of memory."""


class LicenceRefused(ModelError):
    """A checkpoint's licence was not accepted by the recipe."""
