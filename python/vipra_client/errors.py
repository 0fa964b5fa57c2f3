"""What a server refuses."""


class ServerError(RuntimeError):
    """The server answered with an error; its text says why."""
