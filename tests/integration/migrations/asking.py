"""Statements sent to a database from tests that have no event loop, as Alembic starts one of its own."""

import asyncio
from typing import Any

import asyncpg


def ask(url: str, *statements: str) -> Any:
    """Run the statements one after the other; gives the value of the last."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())
