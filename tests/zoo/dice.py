"""Throws every dice a Python program finds, and prints what came up."""

import os
import posix
import random
import secrets
import ssl
import tempfile
import uuid
from hashlib import blake2b

import numpy as np

GIVEN = random.Random(7)


def show(name, value):
    data = value if isinstance(value, bytes) else repr(value).encode()
    print(name, blake2b(data, digest_size=8).hexdigest())


show("random", random.random())
show("random.Random()", random.Random().random())
show("random.SystemRandom()", random.SystemRandom().random())
show("secrets.token_bytes", secrets.token_bytes(70))
show("secrets.randbelow", secrets.randbelow(10**30))
show("os.urandom", os.urandom(100))
show("posix.urandom", posix.urandom(16))
show("os.getrandom", os.getrandom(16))
show("uuid.uuid1", uuid.uuid1())
show("uuid.uuid4", uuid.uuid4())
show("uuid.getnode", uuid.getnode())
show("ssl.RAND_bytes", ssl.RAND_bytes(16))
show("tempfile", next(tempfile._get_candidate_names()))
show("numpy legacy", np.random.random(3).tolist())
show("numpy RandomState()", np.random.RandomState().randint(10**9))
show("numpy default_rng()", np.random.default_rng().random(3).tolist())
show("numpy PCG64()", np.random.Generator(np.random.PCG64()).random())
show("numpy SeedSequence()", np.random.SeedSequence().entropy)
show("hash", hash("a text"))
show("set", [*{f"text {n}" for n in range(20)}])
np.random.seed(7)
print("given", GIVEN.random() == random.Random(7).random(), np.random.random() == np.random.RandomState(7).random())
