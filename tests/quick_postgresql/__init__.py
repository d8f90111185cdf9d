"""Django's PostgreSQL backend, as the tests use it: tables are emptied by DELETE."""
