import asyncpg

from server.addresses import DatabaseAddress


async def test_the_fixture_gives_a_migrated_database_with_a_safe_login(database: DatabaseAddress) -> None:
    connection = await asyncpg.connect(database.app_dsn)
    try:
        assert await connection.fetchval("select current_user") == "evalium_login"
        assert await connection.fetchval("select count(*) from alembic_version") == 1
    finally:
        await connection.close()
