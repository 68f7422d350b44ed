//! Emptying a media server, and filling it again.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::print::print_line;

const SERVERS: &str = "/api/v1/media-servers";
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Moves all calls away from a media server; returns when it carries none.
pub(crate) fn drain(client: &Client, name: &str, limit: Duration) -> Result<()> {
    let before = calls(&find(client, name)?);
    set(client, name, "draining")?;
    let began = Instant::now();
    loop {
        let left = calls(&find(client, name)?);
        if left == 0 {
            break;
        }
        if began.elapsed() >= limit {
            bail!("{name} still carries {left} calls: is there another media server for them?");
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(print_line(format_args!(
        "{name} is drained: {before} calls were on it, none is"
    ))?)
}

/// Lets a media server carry calls again.
pub(crate) fn resume(client: &Client, name: &str) -> Result<()> {
    set(client, name, "active")?;
    Ok(print_line(format_args!("{name} carries calls again"))?)
}

fn set(client: &Client, name: &str, state: &str) -> Result<()> {
    let id = find(client, name)?["id"].clone();
    client.put(&format!("{SERVERS}/{id}"), &json!({ "state": state }))?;
    Ok(())
}

fn find(client: &Client, name: &str) -> Result<Value> {
    let servers = client.items(SERVERS)?;
    let mut found = servers.into_iter().filter(|server| server["name"] == name);
    found
        .next()
        .with_context(|| format!("there is no media server {name:?}; `media list` shows them"))
}

fn calls(server: &Value) -> u64 {
    server["calls"].as_u64().unwrap_or(0)
}
