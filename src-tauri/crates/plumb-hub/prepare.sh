#!/bin/sh
# Writes .sqlx anew: what the build knows of every query, described against a database with all migrations applied.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat migrations/state/*.sql | sqlite3 "$folder/prepare.sqlite"
mkdir "$folder/sqlx"
# The macros run again only when the crate does, and write only where they are told to.
touch src/lib.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$folder/sqlx" DATABASE_URL="sqlite:$folder/prepare.sqlite" \
    cargo check --quiet --package plumb-hub --lib
rm -rf .sqlx
mv "$folder/sqlx" .sqlx
# Built again without the database, so that the next build does not look for it.
touch src/lib.rs
cargo check --quiet --package plumb-hub --lib
