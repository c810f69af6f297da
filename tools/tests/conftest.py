"""What the tests of the tools share with those of the suite."""

from tests.support.scratch import inductor_cache  # noqa: F401  a fixture
