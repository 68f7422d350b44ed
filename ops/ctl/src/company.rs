//! The file of `apply` and `export`: a company's contexts, users and trunks.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub(crate) const EXAMPLE: &str = "\
contexts:
  - name: default
    type: internal
    user_ranges: [{start: '1000', end: '1999'}]
users:
  - firstname: Alice
    lastname: Martin
    exten: '1001'
    sip: {username: alice, secret: a-long-secret}
";

/// What a file asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Company {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) contexts: Vec<Context>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) users: Vec<User>,
    /// Not written by an export, which has no passwords of carriers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) trunks: Vec<Trunk>,
}

/// A connection to a carrier. Its name tells trunks apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trunk {
    pub(crate) name: String,
    /// Where its calls land.
    #[serde(default)]
    pub(crate) context: Option<String>,
    /// `+E164`, `E164` or `national`.
    #[serde(default)]
    pub(crate) outgoing_caller_id_format: Option<String>,
    /// Address, credentials and options, for calls.
    #[serde(default)]
    pub(crate) sip: Option<CarrierSip>,
    #[serde(default)]
    pub(crate) register: Option<Register>,
    #[serde(default)]
    pub(crate) outgoing: Vec<Outgoing>,
    #[serde(default)]
    pub(crate) incoming: Vec<Incoming>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarrierSip {
    pub(crate) username: String,
    pub(crate) secret: String,
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// Pairs of a name and a value, such as `[call-limit, '10']`.
    #[serde(default)]
    pub(crate) options: Option<Vec<(String, String)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    pub(crate) sip_username: String,
    #[serde(default)]
    pub(crate) auth_username: Option<String>,
    #[serde(default)]
    pub(crate) auth_password: Option<String>,
    #[serde(default)]
    pub(crate) realm: Option<String>,
    pub(crate) remote_host: String,
    #[serde(default)]
    pub(crate) remote_port: Option<u16>,
    #[serde(default)]
    pub(crate) transport: Option<String>,
    #[serde(default)]
    pub(crate) callback_extension: Option<String>,
    #[serde(default)]
    pub(crate) expiration: Option<u32>,
}

/// A number or a pattern that goes out by a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outgoing {
    pub(crate) exten: String,
    pub(crate) context: String,
    #[serde(default)]
    pub(crate) strip_digits: u32,
    #[serde(default)]
    pub(crate) external_prefix: Option<String>,
    #[serde(default)]
    pub(crate) caller_id: Option<String>,
}

/// A number that is called from outside, and the number inside that rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incoming {
    pub(crate) exten: String,
    pub(crate) context: String,
    pub(crate) rings: String,
    /// Context of the number that rings.
    #[serde(default = "default_context")]
    pub(crate) of: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    #[serde(default = "internal", rename = "type")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) user_ranges: Vec<Range>,
    /// Of a context of numbers that are called from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) incall_ranges: Vec<Range>,
    /// Names of the contexts whose numbers are known in this one too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) includes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    pub(crate) start: String,
    pub(crate) end: String,
}

/// A user with one line and one number. The number tells users apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) firstname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lastname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ring_seconds: Option<u32>,
    pub(crate) exten: String,
    #[serde(default = "default_context")]
    pub(crate) context: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sip: Option<Sip>,
}

/// What the phone logs in with. Left out, the cluster makes it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sip {
    pub(crate) username: String,
    pub(crate) secret: String,
}

fn internal() -> String {
    "internal".to_owned()
}

fn default_context() -> String {
    "default".to_owned()
}

impl Company {
    /// Reads a file's text and finds what contradicts itself in it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let company: Self = serde_yaml_ng::from_str(text).with_context(|| {
            format!("this is no company file. One looks like this:\n\n{EXAMPLE}")
        })?;
        let mut numbers = BTreeSet::new();
        let mut names = BTreeSet::new();
        for user in &company.users {
            if !numbers.insert((&user.context, &user.exten)) {
                bail!(
                    "users: number {} stands twice in context {}",
                    user.exten,
                    user.context
                );
            }
            if let Some(sip) = &user.sip
                && !names.insert(&sip.username)
            {
                bail!("users: sip username {} stands twice", sip.username);
            }
        }
        Ok(company)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_reads() {
        let company = Company::parse(EXAMPLE).expect("the example is right");
        assert_eq!(company.users[0].context, "default");
        assert_eq!(company.contexts[0].kind, "internal");
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let text = EXAMPLE.replace("firstname", "fristname");
        let error = format!("{:#}", Company::parse(&text).expect_err("a wrong field"));
        assert!(error.contains("fristname"), "{error}");
    }

    #[test]
    fn a_number_may_stand_only_once() {
        let text = format!("{EXAMPLE}  - firstname: Bob\n    exten: '1001'\n");
        let error = format!(
            "{:#}",
            Company::parse(&text).expect_err("the number stands twice")
        );
        assert!(error.contains("1001 stands twice"), "{error}");
    }
}
