"""Our own database: what the program remembers. SQLite or PostgreSQL, through SQLAlchemy Core; no ORM."""
