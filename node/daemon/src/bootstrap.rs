//! What a cluster has from its first moment on.

use anyhow::{Context, bail};
use carillon_cluster::{Cluster, ReadError};
use carillon_model::{
    Administrator, Command, ConfigCommand, Context as NumberContext, ContextKind, DEFAULT_REALM,
    Initialise, NumberRange, Outcome, Random, RejectionKind, Resource, Seeded,
};
use carillon_telephony::Telephony;

/// The account that the first start makes.
pub(crate) const ADMINISTRATOR: &str = "admin";
const PASSWORD_CHARACTERS: usize = 20;

/// Waits until this node has a state, and gives a new cluster its keys, its first administrator and
/// contexts. Returns the administrator's password, or nothing where all that is there already.
pub(crate) async fn initialise(cluster: &Cluster<Telephony>) -> anyhow::Result<Option<String>> {
    let mut told = false;
    loop {
        if cluster.state().nonce_key().is_some() {
            return Ok(None);
        }
        match cluster.linearizable().await {
            Ok(state) if state.nonce_key().is_some() => return Ok(None),
            Ok(_) => return found(cluster).await.map(Some),
            // After a power cut the others may take their time.
            Err(ReadError::Unavailable) if !told => {
                tracing::warn!("waiting for a quorum of the cluster");
                told = true;
            }
            Err(ReadError::Unavailable) => {}
            Err(error @ ReadError::Stopped(_)) => return Err(error.into()),
        }
    }
}

async fn found(cluster: &Cluster<Telephony>) -> anyhow::Result<String> {
    // Before the keys: when this is cut short, the next start finds no keys and begins again.
    for context in first_contexts() {
        create(cluster, Resource::Context(context)).await?;
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("read the system's randomness")?;
    let password = Seeded::new(seed).token(PASSWORD_CHARACTERS);
    let password_hash = carillon_api::hash_password(&password)?;
    let mut nonce_key = [0; 32];
    getrandom::fill(&mut nonce_key).context("read the system's randomness")?;
    let initialise = Initialise {
        administrator: Administrator {
            username: ADMINISTRATOR.to_owned(),
            password_hash,
            ..Administrator::default()
        },
        nonce_key,
        realm: DEFAULT_REALM.to_owned(),
    };
    match cluster
        .propose(Command::Initialise(Box::new(initialise)))
        .await?
    {
        Outcome::Rejected(rejection) => {
            bail!("the cluster refused its first settings: {rejection}")
        }
        _ => Ok(password),
    }
}

/// Creates a resource; one of this name from an earlier attempt is as good.
async fn create(cluster: &Cluster<Telephony>, resource: Resource) -> anyhow::Result<()> {
    let command = Command::Configure(Box::new(ConfigCommand::Create(resource)));
    match cluster.propose(command).await? {
        Outcome::Rejected(rejection) if rejection.kind != RejectionKind::Conflict => {
            bail!("the cluster refused its first settings: {rejection}")
        }
        _ => Ok(()),
    }
}

/// The contexts that an administrator of XiVO finds after the wizard.
fn first_contexts() -> [NumberContext; 3] {
    let context = |name: &str, label: &str, kind| NumberContext {
        name: name.to_owned(),
        label: Some(label.to_owned()),
        kind,
        ..NumberContext::default()
    };
    let internal = NumberContext {
        user_ranges: vec![NumberRange {
            start: "1000".to_owned(),
            end: "1999".to_owned(),
            did_length: 0,
        }],
        ..context("default", "Default", ContextKind::Internal)
    };
    [
        internal,
        context("from-extern", "Incalls", ContextKind::Incall),
        context("to-extern", "Outcalls", ContextKind::Outcall),
    ]
}
