//! SQLite: migrations, query files, one module per table.
