//! Where the log lies.

use std::sync::Arc;

use carillon_cluster::{LogStore, MemoryStore};

use crate::config::Config;
use crate::data::DataFolder;

#[cfg(feature = "rocks")]
pub(crate) fn open(config: &Config, data: &DataFolder) -> anyhow::Result<Arc<dyn LogStore>> {
    if config.cluster.in_memory {
        return Ok(Arc::new(MemoryStore::default()));
    }
    Ok(Arc::new(carillon_rocks::RocksStore::open(&data.log())?))
}

#[cfg(not(feature = "rocks"))]
pub(crate) fn open(config: &Config, _data: &DataFolder) -> anyhow::Result<Arc<dyn LogStore>> {
    if !config.cluster.in_memory {
        anyhow::bail!("this program was built without the log on disk; set cluster.in_memory");
    }
    Ok(Arc::new(MemoryStore::default()))
}
