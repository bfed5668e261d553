-- The tables that KATO 3.10 reads and writes; it makes none of them itself.
CREATE DATABASE IF NOT EXISTS kato;

CREATE TABLE IF NOT EXISTS kato.patterns_data
(
    kb_id String, name String, pattern_data Array(Array(String)), length UInt32,
    token_set Array(String), token_count UInt32,
    minhash_sig Array(UInt32), lsh_bands Array(UInt64),
    first_token String, last_token String,
    created_at DateTime DEFAULT now(), updated_at DateTime DEFAULT now()
)
ENGINE = MergeTree PARTITION BY kb_id ORDER BY (kb_id, length, name);

CREATE TABLE IF NOT EXISTS kato.lsh_buckets
(kb_id String, band_index UInt8, band_hash UInt64, pattern_name String)
ENGINE = MergeTree PARTITION BY kb_id ORDER BY (kb_id, band_hash, pattern_name);
