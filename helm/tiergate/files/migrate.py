"""Makes the tables of the decision log, and those of LiteLLM where it has a database."""

import os
import sys

from tiergate.adapters.decision_database import DecisionDatabase, parse_url


def main() -> int:
    """Return the exit status: 0 when every database that is configured has its tables."""
    database = DecisionDatabase(parse_url(os.environ["TIERGATE_DECISION_LOG_URL"]))
    database.open_schema()
    database.close()
    print("tiergate: the decision log has its tables", flush=True)
    if not os.environ.get("DATABASE_URL"):
        print("tiergate: DATABASE_URL is not set, LiteLLM has no database", flush=True)
        return 0
    from litellm.proxy.prisma_migration import main as migrate_litellm

    status: int = migrate_litellm()
    return status


if __name__ == "__main__":
    sys.exit(main())
