//! Keys and column families.

use bytes::Bytes;
use carillon_cluster::HistoryRow;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, Options};

pub(crate) const META: &str = "meta";
pub(crate) const LOGS: &str = "logs";
pub(crate) const HISTORY: &str = "history";
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Ends a table's name in a history key. Table names are ours and hold no such octet.
const TABLE_END: u8 = 0;

/// What is written stays in memory until so much of it has gathered; the newest entries are kept decoded elsewhere.
const LOG_BUFFER_OCTETS: usize = 4 * 1024 * 1024;
const OTHER_BUFFER_OCTETS: usize = 1024 * 1024;
/// Reads from disk are rare: a follower that was away, an administrator who looks at old records.
const CACHE_OCTETS: usize = 4 * 1024 * 1024;
const WAL_OCTETS: u64 = 128 * 1024 * 1024;
const LOG_FILES_KEPT: usize = 4;

pub(crate) fn families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_OCTETS);
    [META, LOGS, HISTORY, SNAPSHOT]
        .into_iter()
        .map(|name| {
            let mut options = Options::default();
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            options.set_block_based_table_factory(&blocks);
            options.set_write_buffer_size(match name {
                LOGS => LOG_BUFFER_OCTETS,
                _ => OTHER_BUFFER_OCTETS,
            });
            if name == HISTORY || name == SNAPSHOT {
                options.set_compression_type(rocksdb::DBCompressionType::Lz4);
            }
            ColumnFamilyDescriptor::new(name, options)
        })
        .collect()
}

pub(crate) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Writes wait in this process until the flusher writes and syncs them together.
    options.set_manual_wal_flush(true);
    options.set_max_total_wal_size(WAL_OCTETS);
    options.set_keep_log_file_num(LOG_FILES_KEPT);
    options
}

pub(crate) fn log_key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

pub(crate) fn log_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.first_chunk()?))
}

pub(crate) fn part_key(generation: u64, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&generation.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

pub(crate) fn history_key(table: &str, key: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(table.len() + 1 + key.len());
    octets.extend_from_slice(table.as_bytes());
    octets.push(TABLE_END);
    octets.extend_from_slice(key);
    octets
}

/// Just past the last key that a table can have.
pub(crate) fn history_end(table: &str) -> Vec<u8> {
    let mut octets = table.as_bytes().to_vec();
    octets.push(TABLE_END + 1);
    octets
}

pub(crate) fn history_row(key: &[u8], value: &[u8]) -> Option<HistoryRow> {
    let end = key.iter().position(|octet| *octet == TABLE_END)?;
    Some(HistoryRow {
        table: String::from_utf8(key[..end].to_vec()).ok()?,
        key: Bytes::copy_from_slice(&key[end + 1..]),
        value: Bytes::copy_from_slice(value),
    })
}
