//! What handlers take from a request besides bodies: each refuses in the interface's own form.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use carillon_model::{AdministratorId, State, TokenHash, User, UserId};

use crate::refusal::{Kind, Place, Refusal};

/// A number in the path, under the name that the path gives it. What is no number is not found.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let (name, text) = path_parameters(parts, state)
            .await?
            .into_iter()
            .next_back()
            .unwrap_or_default();
        text.parse()
            .map(Id)
            .map_err(|_| Refusal::not_found("Resource", &name, &text))
    }
}

/// Two numbers in the path.
pub(crate) struct Ids<A, B>(pub(crate) A, pub(crate) B);

impl<A: FromStr + Send, B: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Ids<A, B> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let mut parameters = path_parameters(parts, state).await?.into_iter();
        let (first_name, first) = parameters.next().unwrap_or_default();
        let (second_name, second) = parameters.next().unwrap_or_default();
        Ok(Self(
            first
                .parse()
                .map_err(|_| Refusal::not_found("Resource", &first_name, &first))?,
            second
                .parse()
                .map_err(|_| Refusal::not_found("Resource", &second_name, &second))?,
        ))
    }
}

async fn path_parameters<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Vec<(String, String)>, Refusal> {
    let parameters = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|error| {
            Refusal::new(
                Kind::Input,
                Place::Request,
                format!("the path is malformed: {error}"),
            )
        })?;
    Ok(parameters
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// A user by number or by uuid.
#[derive(Clone, Debug)]
pub(crate) struct UserKey(String);

impl FromStr for UserKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl UserKey {
    pub(crate) fn find<'a>(&self, state: &'a State) -> Result<&'a std::sync::Arc<User>, Refusal> {
        let by_number = self
            .0
            .parse()
            .ok()
            .and_then(|id: UserId| state.users().get(&id));
        by_number
            .or_else(|| state.user_by_uuid(&self.0))
            .ok_or_else(|| {
                let field = if self.0.contains('-') { "uuid" } else { "id" };
                Refusal::not_found("User", field, &self.0)
            })
    }
}

/// The administrator for whom a request speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) administrator: AdministratorId,
    pub(crate) token: TokenHash,
}

/// The beginning of every address in answers: scheme, host and the prefix that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Base(String);

const PREFIXES: [&str; 3] = ["/api/confd/1.1", "/1.1", "/api/v1"];

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        // Inside a nested router the prefix has been cut off the URI.
        let uri = axum::extract::OriginalUri::from_request_parts(parts, state).await;
        let path = uri.map(|uri| uri.path().to_owned()).unwrap_or_default();
        let prefix = PREFIXES
            .into_iter()
            .find(|prefix| path.starts_with(prefix))
            .unwrap_or_default();
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        Ok(Self(match host {
            Some(host) => format!("https://{host}{prefix}"),
            None => prefix.to_owned(),
        }))
    }
}

impl Base {
    /// The address of a resource, as `users/1`.
    pub(crate) fn of(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }
}
