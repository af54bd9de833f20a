from core.infrastructure.postgres_pool import open_pool
from core.infrastructure.row_transactions import transaction_of_row


async def test_transactions_are_told_apart_after_their_numbers_have_begun_again(database_url: str) -> None:
    following = 2**33 + 10

    number = transaction_of_row(str(following))
    async with open_pool(database_url) as pool:
        told = await pool.fetch(
            f"select ({number})::text as number from (values ('5'::xid), ('20'::xid)) as rows(xmin)"
        )

    assert [int(row["number"]) for row in told] == [2**33 + 5, 2**32 + 20]
