"""What every test shares."""

from __future__ import annotations

import hypothesis

# Examples are drawn from the test's own name, so a test that was green on one machine is green on the next.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")
