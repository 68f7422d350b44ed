//! From a data folder to a member: founding, joining, coming back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use carillon_link::{
    Authority, AuthorityRecord, Contact, Credentials, CredentialsRecord, Endpoint, JoinToken,
    KeyRequest, NodeId, Peer, Service, Subject, enrol,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Cluster, Shared, touch};
use crate::admin::{Admin, AdminOutcome};
use crate::codec::{decode, encode};
use crate::quic::{self, QuicTransport, Teller};
use crate::replica::{Replica, Settings};
use crate::{ChangeError, Config, Destination, Entry, Flushed, LogStore, Member, Replicated};

const IDENTITY: &str = "identity";
const JOINING_KEY: &str = "joining-key";
const FOUNDER: NodeId = NodeId(1);

/// Founding and joining wait for an election, and for the log to be copied.
const TAKE_PART_LIMIT: Duration = Duration::from_secs(120);

/// What a node keeps to come back as itself.
#[derive(Serialize, Deserialize)]
struct Identity {
    credentials: CredentialsRecord,
    founding: Option<Founding>,
    contacts: Vec<Contact>,
}

/// What a founder has to write into the new cluster's log.
#[derive(Serialize, Deserialize)]
struct Founding {
    cluster: String,
    authority: AuthorityRecord,
}

impl<M: Replicated> Cluster<M> {
    /// Starts the node on what its store holds. An empty store founds or joins a cluster first, as `config` says; this
    /// returns when the node is a voter then.
    pub async fn start(config: Config, store: Arc<dyn LogStore>) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(config.listen)
            .with_context(|| format!("binding the cluster address {} (UDP)", config.listen))?;
        let mut address = config.advertise;
        if address.port() == 0 {
            address.set_port(socket.local_addr()?.port());
        }
        let (identity, new) = match store.value(IDENTITY)? {
            Some(identity) => (
                decode::<Identity>(&identity).context("reading this node's identity")?,
                false,
            ),
            None => (begin(&config, address, &*store).await?, true),
        };
        let credentials = Arc::new(Credentials::restore(identity.credentials.clone())?);
        let Peer::Node(node) = credentials.peer() else {
            bail!("this data folder belongs to {}", credentials.peer());
        };
        let endpoint = Endpoint::on_socket(
            socket,
            credentials.clone(),
            &[Service::Cluster, Service::Join],
        )?;
        let transport = QuicTransport::new(endpoint.clone());
        let settings = Settings {
            node,
            client: fresh_client()?,
            timing: config.timing,
            retention: config.retention,
            digest_interval: Duration::from_millis(config.digest_interval_ms),
        };
        let metrics = config.metrics;
        let replica =
            Replica::start_counting(settings, metrics.clone(), store, transport.clone()).await?;
        let shared = Shared {
            teller: Teller::new(transport.clone()),
            endpoint,
            transport,
            credentials,
            address,
        };
        let cluster = Self {
            replica,
            shared: Arc::new(shared),
        };
        cluster.spawn_serving();
        tokio::spawn(touch::watch(cluster.replica.clone(), metrics));
        let member = Member {
            name: config.name,
            address,
        };
        cluster.take_part(identity, member, new).await?;
        Ok(cluster)
    }

    fn spawn_serving(&self) {
        let cluster = self.clone();
        let decide = move |enrolment| {
            let cluster = cluster.clone();
            async move { cluster.enrol(enrolment).await }
        };
        let (endpoint, replica) = (self.shared.endpoint.clone(), self.replica.clone());
        tokio::spawn(quic::serve(endpoint, replica, decide));
    }

    async fn take_part(&self, identity: Identity, member: Member, new: bool) -> anyhow::Result<()> {
        if let Some(founding) = identity.founding {
            let members = [(self.node(), member.clone())].into();
            self.replica.initialize(members).await?;
            if self.administration().authority.is_none() {
                self.found(founding, &member).await?;
            }
        }
        if self.replica.is_voter(&member) {
            return Ok(());
        }
        let contacts = identity.contacts.into_iter().map(|contact| Destination {
            node: contact.node,
            address: contact.address,
        });
        let (contacts, cluster) = (contacts.collect::<Vec<_>>(), self.clone());
        let join = async move { cluster.join(member, &contacts).await };
        if new {
            return Ok(join.await?);
        }
        // A node that comes back serves what it has while it looks for the others.
        tokio::spawn(async move {
            if let Err(error) = join.await {
                tracing::error!(%error, "this node does not take part in the cluster");
            }
        });
        Ok(())
    }

    async fn join(&self, member: Member, contacts: &[Destination]) -> Result<(), ChangeError> {
        self.replica
            .become_voter(member.clone(), contacts, TAKE_PART_LIMIT)
            .await?;
        tracing::info!(node = %self.node(), address = %member.address, "this node votes");
        Ok(())
    }

    async fn found(&self, founding: Founding, member: &Member) -> anyhow::Result<()> {
        let found = Admin::Found {
            cluster: founding.cluster,
            authority: founding.authority,
            node: self.node(),
            name: member.name.clone(),
            address: member.address,
        };
        match self.replica.administer(found, TAKE_PART_LIMIT).await? {
            // Refused: the log says so already, and has now been applied.
            AdminOutcome::Done | AdminOutcome::Refused(_) => Ok(()),
            AdminOutcome::Enrolled(peer) => bail!("founding gave {peer}"),
        }
    }
}

fn fresh_client() -> anyhow::Result<u64> {
    let mut client = [0; 8];
    getrandom::fill(&mut client).context("reading the system's randomness")?;
    Ok(u64::from_be_bytes(client))
}

async fn begin(
    config: &Config,
    address: SocketAddr,
    store: &dyn LogStore,
) -> anyhow::Result<Identity> {
    let identity = match &config.entry {
        Entry::Found { cluster } => {
            let authority = Authority::generate(cluster)?;
            Identity {
                credentials: authority.credentials(Peer::Node(FOUNDER))?.record().clone(),
                founding: Some(Founding {
                    cluster: cluster.clone(),
                    authority: authority.record().clone(),
                }),
                contacts: Vec::new(),
            }
        }
        Entry::Join(token) => join_with(token, &config.name, address, store).await?,
    };
    keep(store, IDENTITY, encode(&identity)).await?;
    Ok(identity)
}

/// The key is kept before the token is used: if the answer is lost, the same key may ask again.
async fn join_with(
    token: &JoinToken,
    name: &str,
    address: SocketAddr,
    store: &dyn LogStore,
) -> anyhow::Result<Identity> {
    let key = match store.value(JOINING_KEY)? {
        Some(key) => KeyRequest::restore(&key)?,
        None => {
            let key = KeyRequest::generate()?;
            keep(store, JOINING_KEY, Bytes::copy_from_slice(key.key_der())).await?;
            key
        }
    };
    let subject = Subject::Node {
        name: name.to_owned(),
        address,
    };
    let (credentials, contacts) = enrol(token, subject, key)
        .await
        .context("joining the cluster")?;
    Ok(Identity {
        credentials: credentials.record().clone(),
        founding: None,
        contacts,
    })
}

async fn keep(store: &dyn LogStore, name: &str, value: Bytes) -> anyhow::Result<()> {
    let (done, flushed) = oneshot::channel();
    let report = Flushed::new(move |result| drop(done.send(result)));
    store.set_value_durably(name, value, report);
    flushed
        .await?
        .with_context(|| format!("keeping {name} on disk"))
}
