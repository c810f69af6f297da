"""The base of every error that ends a run in a sentence."""


class SuiteError(Exception):
    """The run, or one artifact of it, cannot go on.

    The text is for the person at the terminal: what was found, what should be there, where, and what to do next. pytest
    prints it without a traceback (`rfcn_lib.suite.report`). Every error class of rfcn_lib that a user may meet is a
    subclass. An exception of another class is a mistake of this project, and keeps its traceback.
    """
