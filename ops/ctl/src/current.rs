//! What the cluster has now, in the terms of a company file.

use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::client::Client;
use crate::company::{Company, Context, Range, Sip, User};

/// The present configuration with the ids that changing it needs.
pub(crate) struct Current {
    pub(crate) contexts: BTreeMap<String, Known<Context>>,
    /// By context and number.
    pub(crate) users: BTreeMap<(String, String), Known<User>>,
}

pub(crate) struct Known<T> {
    pub(crate) id: u64,
    /// Of the line's credentials.
    pub(crate) endpoint: Option<u64>,
    pub(crate) value: T,
}

impl Current {
    pub(crate) fn read(client: &Client) -> Result<Self> {
        let contexts = client.items("/1.1/contexts")?;
        let users = by_id(client.items("/1.1/users")?);
        let endpoints = by_id(client.items("/1.1/endpoints/sip")?);
        let lines = client.items("/1.1/lines")?;
        let known = lines
            .iter()
            .filter_map(|line| user_of(line, &users, &endpoints));
        Ok(Self {
            contexts: contexts
                .iter()
                .map(|context| (text(context, "name"), context_of(context)))
                .collect(),
            users: known
                .map(|user| ((user.value.context.clone(), user.value.exten.clone()), user))
                .collect(),
        })
    }

    pub(crate) fn company(self) -> Company {
        Company {
            contexts: self
                .contexts
                .into_values()
                .map(|known| known.value)
                .collect(),
            users: self.users.into_values().map(|known| known.value).collect(),
            trunks: Vec::new(),
        }
    }
}

fn by_id(items: Vec<Value>) -> BTreeMap<u64, Value> {
    let identified = items
        .into_iter()
        .filter_map(|item| Some((item["id"].as_u64()?, item)));
    identified.collect()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn optional(value: &Value, name: &str) -> Option<String> {
    value[name]
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn ranges_of(context: &Value, field: &str) -> Vec<Range> {
    let ranges = context[field].as_array().into_iter().flatten();
    let range = |range: &Value| Range {
        start: text(range, "start"),
        end: text(range, "end"),
    };
    ranges.map(range).collect()
}

fn context_of(context: &Value) -> Known<Context> {
    Known {
        id: context["id"].as_u64().unwrap_or_default(),
        endpoint: None,
        value: Context {
            name: text(context, "name"),
            label: optional(context, "label"),
            kind: text(context, "type"),
            user_ranges: ranges_of(context, "user_ranges"),
            incall_ranges: ranges_of(context, "incall_ranges"),
            includes: context["contexts"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|included| text(included, "name"))
                .collect(),
        },
    }
}

/// The user of a line: of lines without a user or a number a company file says nothing.
fn user_of(
    line: &Value,
    users: &BTreeMap<u64, Value>,
    endpoints: &BTreeMap<u64, Value>,
) -> Option<Known<User>> {
    let id = line["users"].get(0)?["id"].as_u64()?;
    let user = users.get(&id)?;
    let extension = line["extensions"].get(0)?;
    let endpoint = line["endpoint_sip"]["id"].as_u64();
    let sip = endpoint
        .and_then(|id| endpoints.get(&id))
        .map(|endpoint| Sip {
            username: text(endpoint, "username"),
            secret: text(endpoint, "secret"),
        });
    Some(Known {
        id,
        endpoint,
        value: User {
            firstname: text(user, "firstname"),
            lastname: optional(user, "lastname"),
            email: optional(user, "email"),
            ring_seconds: user["ring_seconds"]
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok()),
            exten: text(extension, "exten"),
            context: text(extension, "context"),
            sip,
        },
    })
}
