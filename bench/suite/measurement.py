"""What a measurement is to the run that alternates."""


class Measurement:
    """Subclasses set `name`, `about` and `figures` (what they report), and measure."""

    name = about = None
    figures = ()
    once = False  # in the first round only

    def suits(self, name):
        """Whether it can be taken of this contender."""
        del name
        return True

    def measure(self, pair, tunnel, seconds):
        """{figure: value} of one turn; raises CheckFailed when there is none."""
        raise NotImplementedError
