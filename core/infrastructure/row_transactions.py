"""Which transaction wrote a row, as a part of a statement."""


def transaction_of_row(next_transaction: str) -> str:
    """As SQL, an xid8: of xmin the upper half is missing, and is that of the largest number below the next one.

    next_transaction: the next one to be given out, as SQL for a bigint.
    """
    return f"({next_transaction} - (({next_transaction} - xmin::text::bigint) & 4294967295))::text::xid8"
