from tests.support.builds import log, root, source  # noqa: F401  fixtures
