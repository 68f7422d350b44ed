//! The file of `apply` and `export`: a company's contexts and users.

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
