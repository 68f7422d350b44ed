//! A carrier that the cluster registers at, and its account of who was there when.

use anyhow::{Context, Result};
use carillon_testkit::{Api, Carrier};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

const USER: &str = "account";
const PASSWORD: &str = "for-registering";

/// A carrier on the phones' host, and a trunk to it.
pub(crate) fn open(api: &Api, host: IpAddr) -> Result<Carrier> {
    let carrier = Carrier::start(SocketAddr::from((host, 0)), USER, PASSWORD)?;
    let address = carrier.address();
    api.post(
        "/1.1/contexts",
        &json!({"name": "carrier-in", "type": "incall",
                "incall_ranges": [{"start": "0390000000", "end": "0390009999"}]}),
    )?;
    let endpoint = id(&api.post(
        "/1.1/endpoints/sip",
        &json!({"username": USER, "secret": "for-calls", "host": address.ip().to_string(),
                "options": [["port", address.port().to_string()]]}),
    )?)?;
    let register = id(&api.post(
        "/1.1/registers/sip",
        &json!({"sip_username": "0390000000", "auth_username": USER, "auth_password": PASSWORD,
                "remote_host": address.ip().to_string(), "remote_port": address.port(), "transport": "udp"}),
    )?)?;
    let trunk = id(&api.post(
        "/1.1/trunks",
        &json!({"name": "carrier", "context": "carrier-in"}),
    )?)?;
    for (kind, id) in [("endpoints", endpoint), ("registers", register)] {
        api.put(&format!("/1.1/trunks/{trunk}/{kind}/sip/{id}"), &json!({}))?;
    }
    Ok(carrier)
}

fn id(made: &Value) -> Result<u64> {
    made["id"].as_u64().context("what was made has a number")
}
