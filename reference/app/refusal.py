"""The one exception that the command line turns into a sentence. Whatever else is raised is our own fault."""


class Refusal(Exception):
    """Something that the user has to mend. The message is one sentence: what, where, and what is right."""

    status = 2  # with which the program ends


class BadDataset(Refusal):
    """A dataset that no model can learn from."""

    status = 1
