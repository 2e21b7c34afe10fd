"""One seed for all that is random in a run, printed by whoever uses it and taken again from the environment."""

from __future__ import annotations

import os
import random

VARIABLE = "RPYC_KERNEL_TESTS_SEED"


def new_seed() -> int:
    """The seed that the environment names, else another one each time. Says how to have it again."""
    given = os.environ.get(VARIABLE, "")
    seed = int(given) if given else random.SystemRandom().randrange(1 << 32)
    print(f"{VARIABLE}={seed}")
    return seed
