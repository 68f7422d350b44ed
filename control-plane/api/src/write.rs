//! Writing: propose, and turn the outcome into an answer.

use std::sync::Arc;

use carillon_model::{
    Command, ConfigCommand, Outcome, RejectionKind, Resource, ResourceKey, State,
};

use crate::Plane;
use crate::refusal::{Kind, Place, Refusal};

/// Attempts at an update when others write the same resource.
const ATTEMPTS: usize = 5;

/// Something that the state never answers to such a command.
fn unexpected(outcome: &Outcome) -> Refusal {
    tracing::error!(?outcome, "unexpected outcome of a command");
    Refusal::new(
        Kind::Internal,
        Place::Request,
        "the cluster gave an unexpected answer",
    )
}

pub(crate) async fn configure(
    plane: &dyn Plane,
    command: ConfigCommand,
) -> Result<Outcome, Refusal> {
    match plane.propose(Command::Configure(Box::new(command))).await? {
        Outcome::Rejected(rejection) => Err(rejection.into()),
        outcome => Ok(outcome),
    }
}

/// Proposes what must be done or refused.
pub(crate) async fn done(plane: &dyn Plane, command: Command) -> Result<(), Refusal> {
    match plane.propose(command).await? {
        Outcome::Done => Ok(()),
        Outcome::Rejected(rejection) => Err(rejection.into()),
        other => Err(unexpected(&other)),
    }
}

pub(crate) async fn create(plane: &dyn Plane, resource: Resource) -> Result<ResourceKey, Refusal> {
    match configure(plane, ConfigCommand::Create(resource)).await? {
        Outcome::Created(key) => Ok(key),
        other => Err(unexpected(&other)),
    }
}

/// Makes a resource from generated values, and others when the first were taken. `fields` are the generated ones.
pub(crate) async fn create_generated(
    plane: &dyn Plane,
    fields: &[&str],
    generate: impl Fn() -> Result<Resource, Refusal> + Send + Sync,
) -> Result<ResourceKey, Refusal> {
    for _ in 1..ATTEMPTS {
        let command = Command::Configure(Box::new(ConfigCommand::Create(generate()?)));
        match plane.propose(command).await? {
            Outcome::Created(key) => return Ok(key),
            Outcome::Rejected(rejection)
                if rejection.kind == RejectionKind::Conflict
                    && fields.contains(&rejection.field.as_str()) => {}
            Outcome::Rejected(rejection) => return Err(rejection.into()),
            other => return Err(unexpected(&other)),
        }
    }
    create(plane, generate()?).await
}

/// Reads a resource, changes it, writes it back; and again if somebody else wrote it meanwhile.
pub(crate) async fn update(
    plane: &dyn Plane,
    change: impl Fn(&Arc<State>) -> Result<Resource, Refusal> + Send + Sync,
) -> Result<(), Refusal> {
    for _ in 1..ATTEMPTS {
        let command = Command::Configure(Box::new(ConfigCommand::Update(change(&plane.state())?)));
        match plane.propose(command).await? {
            Outcome::Done => return Ok(()),
            Outcome::Rejected(rejection) if rejection.kind == RejectionKind::Stale => {
                plane.linearizable().await?
            }
            Outcome::Rejected(rejection) => return Err(rejection.into()),
            other => return Err(unexpected(&other)),
        }
    }
    let resource = change(&plane.state())?;
    configure(plane, ConfigCommand::Update(resource))
        .await
        .map(|_| ())
}

pub(crate) async fn delete(plane: &dyn Plane, key: ResourceKey) -> Result<(), Refusal> {
    configure(plane, ConfigCommand::Delete(key))
        .await
        .map(|_| ())
}
