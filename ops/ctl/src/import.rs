//! New users as the rows of one import, so that thousands of them are one request.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::{Client, reasons};
use crate::company::{Sip, User};

/// Users of one request: a request is one command of the cluster's log.
const USERS_AT_ONCE: usize = 500;
const HEADER: [&str; 9] = [
    "firstname",
    "lastname",
    "email",
    "ring_seconds",
    "exten",
    "context",
    "line_protocol",
    "sip_username",
    "sip_secret",
];

/// Creates these users with line, number and credentials; all of a request or none.
pub(crate) fn create(client: &Client, users: &[&User]) -> Result<()> {
    for (done, some) in (0..)
        .step_by(USERS_AT_ONCE)
        .zip(users.chunks(USERS_AT_ONCE))
    {
        let answer = client.post_csv("/1.1/users/import", &rows(some)?)?;
        if let Some(errors) = answer.get("errors").and_then(Value::as_array)
            && !errors.is_empty()
        {
            bail!(
                "users were not created: {}",
                reasons(&Value::Array(errors.clone()))
            );
        }
        if users.len() > USERS_AT_ONCE {
            eprintln!("{} of {} users created", done + some.len(), users.len());
        }
    }
    Ok(())
}

fn rows(users: &[&User]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for user in users {
        let ring_seconds = user.ring_seconds.map(|seconds| seconds.to_string());
        let sip = match &user.sip {
            Some(sip) => sip.clone(),
            None => invented(&user.exten)?,
        };
        writer.write_record([
            &user.firstname,
            user.lastname.as_deref().unwrap_or_default(),
            user.email.as_deref().unwrap_or_default(),
            ring_seconds.as_deref().unwrap_or_default(),
            &user.exten,
            &user.context,
            "sip",
            &sip.username,
            &sip.secret,
        ])?;
    }
    let octets = writer.into_inner().context("write the rows of an import")?;
    String::from_utf8(octets).context("rows are text")
}

/// Credentials for a user whom the file gives none: the number as name, and a secret that nobody can guess.
fn invented(exten: &str) -> Result<Sip> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0_u8; 20];
    getrandom::fill(&mut random).context("ask the system for random octets")?;
    let secret = random
        .iter()
        .map(|octet| char::from(LETTERS[usize::from(octet % 32)]));
    Ok(Sip {
        username: exten.to_owned(),
        secret: secret.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::{Company, EXAMPLE};
    use expect_test::expect;

    #[test]
    fn a_user_is_a_row() {
        let company = Company::parse(EXAMPLE).expect("the example is right");
        let rows = rows(&[&company.users[0]]).expect("rows");
        expect![[r"
            firstname,lastname,email,ring_seconds,exten,context,line_protocol,sip_username,sip_secret
            Alice,Martin,,,1001,default,sip,alice,a-long-secret
        "]]
        .assert_eq(&rows);
    }

    #[test]
    fn an_invented_secret_is_long_and_never_the_same() {
        let (one, other) = (
            invented("1001").expect("random"),
            invented("1001").expect("random"),
        );
        assert_eq!(one.username, "1001");
        assert_eq!(one.secret.len(), 20);
        assert_ne!(one.secret, other.secret);
    }
}
