from scotoma.cli.flowing import flowing

WRITTEN = """Do this
    and that.

    A paragraph that
    goes on.

    Example: one --a b
    --c d
    Example: two

    Args:
        first: what it
            is. Default:
            0.
        second: another.
    """
FLOWS = """Do this and that.

A paragraph that goes on.

Example: one --a b --c d
Example: two

Args:
    first: what it is. Default: 0.
    second: another."""


def test_paragraphs_examples_and_arguments_are_a_line_each() -> None:
    assert flowing(WRITTEN) == FLOWS
    assert flowing(FLOWS) == FLOWS
    assert flowing("") == ""
