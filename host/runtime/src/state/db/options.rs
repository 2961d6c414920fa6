//! How RocksDB is tuned: many small point reads and writes in sorted batches, one process, bounded
//! memory and few open files.

use super::horizon::Horizon;
use super::{META, OUTBOX, STATE, TIMERS};
use crate::state::merge;
use rocksdb::compaction_filter::Decision;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, LogLevel, Options};
use std::collections::BTreeSet;
use std::path::Path;

/// Blocks, indexes and filters of all column families.
const BLOCK_CACHE_BYTES: usize = 128 << 20;
const MEMTABLE_BYTES: usize = 64 << 20;
/// A log is kept until all families have written what it holds; a family with little traffic would
/// keep it for ever.
const LOG_BYTES_MAX: u64 = 256 << 20;
/// Below the usual limit of 1024 per process, with room for the job's own files.
const OPEN_FILES_MAX: i32 = 400;
/// Files older than this are compacted even when nothing is written near them, so that what has
/// outlived its time is given back.
const COMPACTION_AGE_SECONDS: u64 = 24 * 3600;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// Opens or creates the database with all of its families.
pub(super) fn open(path: &Path, horizon: &Horizon) -> Result<DB, rocksdb::Error> {
    let options = database();
    DB::open_cf_descriptors(&options, path, families(&options, path, horizon)?)
}

/// Opens a database that exists to read it, and writes nothing into its directory. All files are
/// opened at once, so that none can go away while it is read.
pub(super) fn open_read_only(path: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = database();
    options.create_if_missing(false);
    options.create_missing_column_families(false);
    options.set_max_open_files(-1);
    DB::open_cf_descriptors_read_only(&options, path, families(&options, path, &Horizon::default())?, false)
}

fn families(options: &Options, path: &Path, horizon: &Horizon) -> Result<Vec<ColumnFamilyDescriptor>, rocksdb::Error> {
    let ours = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME, STATE, TIMERS, META, OUTBOX];
    let mut names: BTreeSet<String> = ours.iter().map(|&name| name.to_owned()).collect();
    if path.join("CURRENT").exists() {
        // RocksDB opens with all families or not at all, and the format has to be read to refuse it.
        names.extend(DB::list_cf(options, path)?);
    }
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let families = names.into_iter().map(|name| {
        let options = family(&name, &cache, horizon);
        ColumnFamilyDescriptor::new(name, options)
    });
    Ok(families.collect())
}

fn database() -> Options {
    let mut o = Options::default();
    o.create_if_missing(true);
    o.create_missing_column_families(true);
    o.set_max_background_jobs(2);
    // One thread writes; what several would need only slows it.
    o.set_allow_concurrent_memtable_write(false);
    o.set_max_total_wal_size(LOG_BYTES_MAX);
    o.set_max_open_files(OPEN_FILES_MAX);
    o.set_bytes_per_sync(1 << 20);
    o.set_keep_log_file_num(4);
    o.set_max_log_file_size(4 << 20);
    o.set_log_level(LogLevel::Warn);
    o
}

fn family(name: &str, cache: &Cache, horizon: &Horizon) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(4096);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut o = Options::default();
    o.set_compression_type(DBCompressionType::Lz4);
    o.set_level_compaction_dynamic_level_bytes(true);
    o.set_write_buffer_size(MEMTABLE_BYTES);
    if name == STATE {
        // Keys that were never seen are common: filters spare most of their reads, in files and in
        // memtables.
        blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
        blocks.set_whole_key_filtering(true);
        o.set_memtable_whole_key_filtering(true);
        o.set_memtable_prefix_bloom_ratio(0.02);
        o.set_max_write_buffer_number(4);
        o.set_merge_operator_associative(merge::NAME, |_, stored, operands| {
            merge::fold(stored, operands.iter()).map(Vec::from)
        });
        let horizon = horizon.clone();
        o.set_compaction_filter("wasmill.ttl", move |_, key, value| match horizon.is_gone(key, value) {
            true => Decision::Remove,
            false => Decision::Keep,
        });
        o.set_periodic_compaction_seconds(COMPACTION_AGE_SECONDS);
    }
    o.set_block_based_table_factory(&blocks);
    o
}
