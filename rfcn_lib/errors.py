"""The base class of every error that a user may meet."""


class SuiteError(Exception):
    """The run, or one artifact of it, cannot continue.

    The message is for the user: what was found, what should be there, where, and what to do next. pytest prints it without a
    traceback (`rfcn_lib.suite.report`). Every error class of rfcn_lib that a user may meet is a subclass. An exception of
    another class is a bug of this project, and pytest prints its traceback.
    """
