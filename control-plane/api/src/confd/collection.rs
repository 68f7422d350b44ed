//! What is done alike with every sort of resource: list, show, create, change, delete.

use std::fmt::Display;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use carillon_model::{Resource, ResourceKey, State as Replica, Table};
use serde::Serialize;

use super::relations::Relations;
use crate::answer::{Created, Done};
use crate::body::Shape;
use crate::extract::Base;
use crate::list::ListQuery;
use crate::refusal::Refusal;
use crate::router::Api;
use crate::write;

/// A sort of resource with a collection of its own.
pub(super) trait Collection: Clone + Serialize {
    /// Its number.
    type Id: Copy + Ord + Display + Serialize + Send + Sync;
    /// What is shown of it.
    type View: Serialize;
    /// What can be said of it.
    type Body: Shape + Clone + Send + Sync;

    /// What refusals call it.
    const NAME: &'static str;
    /// Where the collection lies, as `endpoints/sip`.
    const PATH: &'static str;
    /// What lists are ordered and filtered by.
    const FIELDS: &'static [&'static str];

    /// All there are.
    fn all(state: &Replica) -> &Table<Self::Id, Self>;
    fn id(number: u32) -> Self::Id;
    fn key(id: Self::Id) -> ResourceKey;
    fn into_resource(self) -> Resource;
    fn view(&self, relations: Relations<'_>) -> Self::View;
    /// Takes over what the body says.
    fn write(&mut self, body: Self::Body) -> Result<(), Refusal>;
}

pub(super) fn find<T: Collection>(state: &Replica, id: T::Id) -> Result<&Arc<T>, Refusal> {
    let found = T::all(state).get(&id);
    found.ok_or_else(|| Refusal::not_found(T::NAME, "id", id))
}

/// Refuses a number in the path, which has this name there, when there is no such resource.
pub(super) fn known<T: Collection>(
    state: &Replica,
    parameter: &str,
    id: T::Id,
) -> Result<(), Refusal> {
    match T::all(state).contains(&id) {
        true => Ok(()),
        false => Err(Refusal::not_found(T::NAME, parameter, id)),
    }
}

pub(super) fn list<T: Collection>(
    api: &Api,
    base: &Base,
    query: &ListQuery,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    list_of(&state, base, query, T::all(&state).values())
}

/// Lists some of a collection.
pub(super) fn list_of<'a, T: Collection + 'a>(
    state: &Replica,
    base: &Base,
    query: &ListQuery,
    rows: impl Iterator<Item = &'a Arc<T>>,
) -> Result<Response, Refusal> {
    let relations = Relations { state, base };
    let page = query.page(rows, T::FIELDS, |row| row.view(relations))?;
    Ok(axum::Json(page).into_response())
}

pub(super) fn show<T: Collection>(api: &Api, base: &Base, id: T::Id) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let relations = Relations {
        state: &state,
        base,
    };
    Ok(axum::Json(find::<T>(&state, id)?.view(relations)).into_response())
}

pub(super) async fn create<T: Collection>(
    api: &Api,
    base: &Base,
    resource: T,
) -> Result<Response, Refusal> {
    let key = write::create(api.plane(), resource.into_resource()).await?;
    created::<T>(api, base, key)
}

/// Shows what has just been created.
pub(super) fn created<T: Collection>(
    api: &Api,
    base: &Base,
    key: ResourceKey,
) -> Result<Response, Refusal> {
    let state = api.plane.state();
    let id = T::id(key.number());
    let relations = Relations {
        state: &state,
        base,
    };
    let view = find::<T>(&state, id)?.view(relations);
    let place = base.of(&format!("{}/{id}", T::PATH));
    Ok(Created(place, view).into_response())
}

pub(super) async fn update<T: Collection>(
    api: &Api,
    id: T::Id,
    body: T::Body,
) -> Result<Done, Refusal> {
    write::update(api.plane(), |state| {
        let mut resource = T::clone(find(state, id)?);
        resource.write(body.clone())?;
        Ok(resource.into_resource())
    })
    .await?;
    Ok(Done)
}

pub(super) async fn delete<T: Collection>(api: &Api, id: T::Id) -> Result<Done, Refusal> {
    write::delete(api.plane(), T::key(id)).await?;
    Ok(Done)
}
