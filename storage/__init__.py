"""WHERE bytes lie that are too large for the database: files that people hand in."""
