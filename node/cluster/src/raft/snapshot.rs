//! The image of a node's whole replicated state.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use carillon_telemetry::RaftMetrics;
use openraft::RaftSnapshotBuilder;
use openraft::storage::Snapshot;
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use serde::{Deserialize, Serialize};

use super::types::TypeConfig;
use crate::admin::Administration;
use crate::codec::{decode, encode};
use crate::sessions::Sessions;
use crate::{LogStore, Replicated, Runtime, StoredSnapshot};

const IMAGE_VERSION: u32 = 1;

#[derive(Deserialize)]
struct Image<S> {
    version: u32,
    now_ms: u64,
    administration: Administration,
    sessions: Sessions,
    state: S,
}

#[derive(Serialize)]
struct ImageRef<'a, S> {
    version: u32,
    now_ms: u64,
    administration: &'a Administration,
    sessions: &'a Sessions,
    state: &'a S,
}

/// Everything that the log determines, held still while the log goes on.
pub(crate) struct Whole<M: Replicated> {
    pub(crate) now_ms: u64,
    pub(crate) administration: Arc<Administration>,
    pub(crate) sessions: Sessions,
    pub(crate) state: Arc<M::State>,
}

impl<M: Replicated> Clone for Whole<M> {
    fn clone(&self) -> Self {
        Self {
            now_ms: self.now_ms,
            administration: self.administration.clone(),
            sessions: self.sessions.clone(),
            state: self.state.clone(),
        }
    }
}

impl<M: Replicated> Default for Whole<M> {
    fn default() -> Self {
        Self {
            now_ms: 0,
            administration: Arc::default(),
            sessions: Sessions::default(),
            state: Arc::default(),
        }
    }
}

impl<M: Replicated> Whole<M> {
    fn to_image(&self) -> Bytes {
        encode(&ImageRef {
            version: IMAGE_VERSION,
            now_ms: self.now_ms,
            administration: &self.administration,
            sessions: &self.sessions,
            state: &*self.state,
        })
    }

    pub(crate) fn from_image(octets: &[u8]) -> io::Result<Self> {
        let image: Image<M::State> = decode(octets)?;
        if image.version > IMAGE_VERSION {
            let why = format!(
                "snapshot version {} is newer than this program",
                image.version
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self {
            now_ms: image.now_ms,
            administration: Arc::new(image.administration),
            sessions: image.sessions,
            state: Arc::new(image.state),
        })
    }

    /// A hash of everything that must be equal on all nodes.
    pub(crate) fn digest(&self) -> u64 {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update(M::digest(&self.state).to_be_bytes());
        hash.update(self.now_ms.to_be_bytes());
        hash.update(encode(&*self.administration));
        hash.update(encode(&self.sessions));
        let digest: [u8; 32] = hash.finalize().into();
        u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 octets"))
    }
}

/// Writes a snapshot while the state machine goes on.
pub(crate) struct Builder<M: Replicated, R: Runtime> {
    pub(crate) whole: Whole<M>,
    pub(crate) meta: SnapshotMetaOf<TypeConfig<R>>,
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) metrics: RaftMetrics,
}

impl<M: Replicated, R: Runtime> RaftSnapshotBuilder<TypeConfig<R>> for Builder<M, R> {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig<R>, Bytes>, io::Error> {
        let (whole, store, meta) = (self.whole.clone(), self.store.clone(), encode(&self.meta));
        let image = R::offload(move || {
            let state = whole.to_image();
            let snapshot = StoredSnapshot {
                meta,
                state: state.clone(),
            };
            store.set_snapshot(snapshot).map(|()| state)
        });
        let snapshot = image.await?;
        self.metrics.snapshots_built.increment();
        Ok(Snapshot {
            meta: self.meta.clone(),
            snapshot,
        })
    }
}
