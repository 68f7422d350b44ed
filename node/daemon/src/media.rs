//! The media role: a media server in this process.

use std::sync::Arc;

use anyhow::{Context, bail};
use carillon_cluster::Cluster;
use carillon_link::{Credentials, JoinToken, KeyRequest, Peer, Subject, enrol};
use carillon_model::{
    Command, MediaCommand, MediaServer as Described, MediaServerId, MediaState, SiteId,
};
use carillon_relay::MediaServer;
use carillon_telemetry::Metrics;
use carillon_telephony::Telephony;

use crate::announce::announce;
use crate::config::{Config, MediaConfig};
use crate::data::DataFolder;

/// A media server on a machine of its own: its first start shows a join token.
pub(crate) async fn start_alone(
    config: &Config,
    data: &DataFolder,
    metrics: &Metrics,
) -> anyhow::Result<MediaServer> {
    let credentials = match data.media_credentials()? {
        Some(credentials) => credentials,
        None => join(config, data).await?,
    };
    start(&config.media, credentials, metrics).await
}

async fn join(config: &Config, data: &DataFolder) -> anyhow::Result<Arc<Credentials>> {
    let Some(token) = &config.cluster.join else {
        bail!(
            "this media server belongs to no cluster yet: give it a token, from `carillon ctl token media`, with --join"
        );
    };
    let token: JoinToken = token.parse().context("read the join token")?;
    let subject = Subject::Media {
        name: config.name.clone(),
        address: config.media.control_address(config.media.control),
    };
    let (credentials, _) = enrol(&token, subject, KeyRequest::generate()?)
        .await
        .context("join the cluster")?;
    data.keep_media_credentials(&credentials)?;
    tracing::info!(peer = %credentials.peer(), "joined the cluster");
    Ok(credentials)
}

/// A media server beside a control node: the node lets it in and announces it.
pub(crate) async fn start_beside(
    config: &Config,
    data: &DataFolder,
    cluster: &Cluster<Telephony>,
    metrics: &Metrics,
) -> anyhow::Result<MediaServer> {
    let credentials = match data.media_credentials()? {
        Some(credentials) if is_member(cluster, &credentials) => credentials,
        Some(_) | None => {
            let address = config.media.control_address(config.media.control);
            let credentials = cluster.enrol_media(&config.name, address).await?;
            data.keep_media_credentials(&credentials)?;
            credentials
        }
    };
    let server = start(&config.media, credentials, metrics).await?;
    let myself = describe(config, cluster, &server)?;
    announce(cluster, Command::Media(MediaCommand::Put(myself))).await?;
    Ok(server)
}

/// A folder whose log was in memory has credentials of a cluster that is no more.
fn is_member(cluster: &Cluster<Telephony>, credentials: &Credentials) -> bool {
    let Peer::Media(id) = credentials.peer() else {
        return false;
    };
    credentials.fingerprint() == cluster.credentials().fingerprint()
        && cluster.administration().media.contains_key(&id)
}

async fn start(
    config: &MediaConfig,
    credentials: Arc<Credentials>,
    metrics: &Metrics,
) -> anyhow::Result<MediaServer> {
    MediaServer::start(config.relay(), credentials, metrics.clone())
        .await
        .context("start the media server")
}

/// This server as control nodes are to see it.
fn describe(
    config: &Config,
    cluster: &Cluster<Telephony>,
    server: &MediaServer,
) -> anyhow::Result<Described> {
    let media = &config.media;
    let state = cluster.state();
    let site = match &media.site {
        None => SiteId(0),
        Some(name) => {
            let named = state.sites().values().find(|site| site.name == *name);
            named
                .map(|site| site.id)
                .with_context(|| format!("media.site: there is no site {name:?}"))?
        }
    };
    Ok(Described {
        id: MediaServerId(0),
        name: config.name.clone(),
        site,
        control: media.control_address(server.addresses().control),
        address: media.media_address(),
        address_v6: media.address_v6.map(Into::into),
        weight: media.weight,
        ports: media.ports,
        state: MediaState::Active,
    })
}
