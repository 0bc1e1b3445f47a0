-- queries/catalogue_entry/upsert.sql: remembers a signed bundle, or where its file is now
INSERT INTO catalogue_entry (fleet, digest, version, document) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (fleet, digest) DO UPDATE SET
    version = excluded.version,
    document = excluded.document
