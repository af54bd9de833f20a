"""The statement's part by which users become due, whoever records what they did."""


def marking(users: str) -> str:
    """Give each of these users the next sequence and mark them due; returns user_id and sequence.

    users: what yields each user's user_id once, as SQL. They are held in one order, then numbered: whoever else marks
    one of them waits, and so a user's sequences rise in the order of commits.
    """
    return f"""
        insert into user_change (user_id, sequence, changed_at, is_due)
        select user_id, nextval('interaction_sequence'), now(), true
        from ({users} order by user_id) as users
        on conflict (user_id) do update
            set sequence = nextval('interaction_sequence'), changed_at = excluded.changed_at, is_due = true
        returning user_id, sequence
    """  # noqa: S608 - statements of this code alone
