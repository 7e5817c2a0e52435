"""The results database: tables, migrations, queries."""
