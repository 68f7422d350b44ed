//! The store in memory keeps what openraft asks of a store.

use std::sync::Arc;

use carillon_cluster::testing::log_store_suite;
use carillon_cluster::{LogStore, MemoryStore};

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_storage_suite() {
    log_store_suite(|| ((), Arc::new(MemoryStore::new()) as Arc<dyn LogStore>)).await;
}
