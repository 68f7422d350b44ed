//! Trunks of a company file: what differs from the cluster, and how it is made.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::client::Client;
use crate::company::{Incoming, Outgoing, Trunk};

/// What the cluster has of carriers, as its interface shows it.
#[derive(Default)]
pub(crate) struct Carriers {
    pub(crate) trunks: Vec<Value>,
    pub(crate) endpoints: Vec<Value>,
    pub(crate) registers: Vec<Value>,
    pub(crate) extensions: Vec<Value>,
}

/// One thing to do.
pub(crate) struct Step<'a> {
    /// As a person reads it.
    pub(crate) line: String,
    action: Action<'a>,
}

enum Action<'a> {
    NewTrunk(&'a Trunk),
    Put { path: String, body: Value },
    Leave(&'a Trunk, &'a Outgoing),
    Enter(&'a Incoming),
}

impl Carriers {
    pub(crate) fn read(client: &Client) -> Result<Self> {
        Ok(Self {
            trunks: client.items("/1.1/trunks")?,
            endpoints: client.items("/1.1/endpoints/sip")?,
            registers: client.items("/1.1/registers/sip")?,
            extensions: client.items("/1.1/extensions")?,
        })
    }

    /// What is to be done so that these trunks are there; what the file does not name is left alone.
    pub(crate) fn steps<'a>(&self, wanted: &'a [Trunk]) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        for trunk in wanted {
            match self.trunks.iter().find(|known| known["name"] == trunk.name) {
                None => steps.push(Step {
                    line: format!("+ trunk {}", trunk.name),
                    action: Action::NewTrunk(trunk),
                }),
                Some(known) => steps.extend(self.changes(known, trunk)),
            }
            let has = |exten: &str, context: &str, kind: &str| {
                self.extensions.iter().any(|known| {
                    known["exten"] == exten && known["context"] == context && !known[kind].is_null()
                })
            };
            for number in &trunk.outgoing {
                if !has(&number.exten, &number.context, "outcall") {
                    steps.push(Step {
                        line: format!(
                            "+ {}@{} goes out by {}",
                            number.exten, number.context, trunk.name
                        ),
                        action: Action::Leave(trunk, number),
                    });
                }
            }
            for number in &trunk.incoming {
                if !has(&number.exten, &number.context, "incall") {
                    steps.push(Step {
                        line: format!(
                            "+ {}@{} rings {}",
                            number.exten, number.context, number.rings
                        ),
                        action: Action::Enter(number),
                    });
                }
            }
        }
        steps
    }

    /// Fields of a trunk that is there and is not as the file says.
    fn changes<'a>(&self, known: &Value, trunk: &Trunk) -> Vec<Step<'a>> {
        let linked = |all: &[Value], link: &str| {
            let id = &known[link]["id"];
            all.iter().find(|other| other["id"] == *id).cloned()
        };
        let of_trunk = own_fields(trunk);
        let mut changes = vec![(
            "context and format",
            "trunks",
            Some(known.clone()),
            of_trunk,
        )];
        if let Some(sip) = &trunk.sip {
            let endpoint = linked(&self.endpoints, "endpoint_sip");
            changes.push((
                "address and credentials",
                "endpoints/sip",
                endpoint,
                json!(sip),
            ));
        }
        if let Some(register) = &trunk.register {
            let old = linked(&self.registers, "register_sip");
            changes.push(("registration", "registers/sip", old, json!(register)));
        }
        let steps = changes.into_iter().filter_map(|(what, path, old, wanted)| {
            let old = old?;
            let body = differing(&old, &wanted)?;
            Some(Step {
                line: format!("~ trunk {}: {what}", trunk.name),
                action: Action::Put {
                    path: format!("/1.1/{path}/{}", old["id"]),
                    body,
                },
            })
        });
        steps.collect()
    }
}

/// What is no endpoint's and no registration's.
fn own_fields(trunk: &Trunk) -> Value {
    json!({
        "context": trunk.context,
        "outgoing_caller_id_format": trunk.outgoing_caller_id_format,
    })
}

/// The wanted fields that are not so already; nothing where all are.
fn differing(old: &Value, wanted: &Value) -> Option<Value> {
    let fields = wanted.as_object()?;
    let differing: serde_json::Map<_, _> = fields
        .iter()
        .filter(|(name, value)| !value.is_null() && old.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    (!differing.is_empty()).then_some(Value::Object(differing))
}

impl Step<'_> {
    pub(crate) fn carry_out(&self, client: &Client) -> Result<()> {
        match &self.action {
            Action::NewTrunk(trunk) => make(client, trunk),
            Action::Put { path, body } => client.put(path, body).map(drop),
            Action::Leave(trunk, number) => leave(client, trunk, number),
            Action::Enter(number) => enter(client, number),
        }
    }
}

fn make(client: &Client, trunk: &Trunk) -> Result<()> {
    let mut body = own_fields(trunk);
    body["name"] = json!(trunk.name);
    let made = client.post("/1.1/trunks", &body)?;
    let path = format!("/1.1/trunks/{}", made["id"]);
    if let Some(sip) = &trunk.sip {
        let endpoint = client.post("/1.1/endpoints/sip", &json!(sip))?;
        client.put(
            &format!("{path}/endpoints/sip/{}", endpoint["id"]),
            &json!({}),
        )?;
    }
    if let Some(register) = &trunk.register {
        let register = client.post("/1.1/registers/sip", &json!(register))?;
        client.put(
            &format!("{path}/registers/sip/{}", register["id"]),
            &json!({}),
        )?;
    }
    Ok(())
}

/// The number's extension, made if it is not there.
fn extension(client: &Client, exten: &str, context: &str) -> Result<Value> {
    let all = client.items("/1.1/extensions")?;
    let known = all
        .into_iter()
        .find(|known| known["exten"] == exten && known["context"] == context);
    let extension = match known {
        Some(known) => known,
        None => client.post(
            "/1.1/extensions",
            &json!({ "exten": exten, "context": context }),
        )?,
    };
    Ok(extension["id"].clone())
}

/// All numbers of a trunk leave by one way, which has the trunk's name.
fn leave(client: &Client, trunk: &Trunk, number: &Outgoing) -> Result<()> {
    let extension = extension(client, &number.exten, &number.context)?;
    let outcalls = client.items("/1.1/outcalls")?;
    let known = outcalls
        .into_iter()
        .find(|outcall| outcall["name"] == trunk.name);
    let outcall = match known {
        Some(known) => known["id"].clone(),
        None => {
            let made = client.post("/1.1/outcalls", &json!({ "name": trunk.name }))?;
            let trunks = client.items("/1.1/trunks")?;
            let own = trunks.iter().find(|known| known["name"] == trunk.name);
            let own = own.context("the trunk was made just now")?;
            client.put(
                &format!("/1.1/outcalls/{}/trunks", made["id"]),
                &json!({ "trunks": [{ "id": own["id"] }] }),
            )?;
            made["id"].clone()
        }
    };
    client.put(
        &format!("/1.1/outcalls/{outcall}/extensions/{extension}"),
        &json!({
            "strip_digits": number.strip_digits,
            "external_prefix": number.external_prefix,
            "caller_id": number.caller_id,
        }),
    )?;
    Ok(())
}

fn enter(client: &Client, number: &Incoming) -> Result<()> {
    let extension = extension(client, &number.exten, &number.context)?;
    let body = json!({ "destination": {
        "type": "extension",
        "exten": number.rings,
        "context": number.of,
    }});
    let incall = client.post("/1.1/incalls", &body)?;
    client.put(
        &format!("/1.1/incalls/{}/extensions/{extension}", incall["id"]),
        &json!({}),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::Company;

    const FILE: &str = "\
trunks:
  - name: carrier
    context: from-extern
    outgoing_caller_id_format: national
    sip:
      {username: account, secret: for-calls, host: 192.0.2.50, options: [[allow, alaw], [dtmfmode, info]]}
    register: {sip_username: '0390000000', auth_password: secret, remote_host: 192.0.2.50}
    outgoing: [{exten: _0., context: to-extern, strip_digits: 1}]
    incoming: [{exten: '0390001001', context: from-extern, rings: '1001'}]
";

    fn lines(carriers: &Carriers) -> Vec<String> {
        let wanted = Company::parse(FILE).expect("the file is right");
        let steps = carriers.steps(&wanted.trunks);
        steps.into_iter().map(|step| step.line).collect()
    }

    fn present() -> Carriers {
        Carriers {
            trunks: vec![json!({
                "id": 1, "name": "carrier", "context": "from-extern", "outgoing_caller_id_format": "national",
                "endpoint_sip": {"id": 2}, "register_sip": {"id": 3},
            })],
            endpoints: vec![json!({
                "id": 2, "username": "account", "secret": "for-calls", "host": "192.0.2.50",
                "options": [["allow", "alaw"], ["dtmfmode", "info"]],
            })],
            registers: vec![json!({
                "id": 3, "sip_username": "0390000000", "auth_password": "secret",
                "remote_host": "192.0.2.50", "remote_port": null,
            })],
            extensions: vec![
                json!({"exten": "_0.", "context": "to-extern", "outcall": {"id": 1}}),
                json!({"exten": "0390001001", "context": "from-extern", "incall": {"id": 1}}),
            ],
        }
    }

    #[test]
    fn an_empty_cluster_gets_the_trunk_and_its_numbers() {
        assert_eq!(
            lines(&Carriers::default()),
            [
                "+ trunk carrier",
                "+ _0.@to-extern goes out by carrier",
                "+ 0390001001@from-extern rings 1001",
            ]
        );
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        assert_eq!(lines(&present()), Vec::<String>::new());
    }

    #[test]
    fn a_changed_password_is_the_only_change() {
        let mut present = present();
        present.registers[0]["auth_password"] = json!("old");
        assert_eq!(lines(&present), ["~ trunk carrier: registration"]);
    }

    #[test]
    fn another_format_and_other_options_are_changes() {
        let mut present = present();
        present.trunks[0]["outgoing_caller_id_format"] = json!("+E164");
        present.endpoints[0]["options"] = json!([["allow", "alaw"]]);
        assert_eq!(
            lines(&present),
            [
                "~ trunk carrier: context and format",
                "~ trunk carrier: address and credentials",
            ]
        );
    }
}
