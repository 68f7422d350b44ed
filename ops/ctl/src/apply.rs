//! `carillon ctl apply`: the difference between a file and the cluster, printed and made.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::client::Client;
use crate::company::{Company, Context, User};
use crate::current::{Current, Known};
use crate::import;
use crate::print::print_line;
use crate::trunks::{Carriers, Step};

pub(crate) fn run(client: &Client, file: &Path, dry_run: bool) -> Result<()> {
    let wanted = Company::parse(&read(file)?).with_context(|| format!("in {}", file.display()))?;
    let mut plan = Plan::between(&Current::read(client)?, &wanted);
    if !wanted.trunks.is_empty() {
        plan.trunks = Carriers::read(client)?.steps(&wanted.trunks);
    }
    for line in plan.lines() {
        print_line(line)?;
    }
    if plan.is_empty() {
        print_line("nothing to change")?;
    } else if dry_run {
        print_line("(a dry run: nothing was changed)")?;
    } else {
        plan.carry_out(client)?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

/// What is to be done so that the cluster is as the file says. What the file does not name is left alone.
#[derive(Default)]
struct Plan<'a> {
    new_contexts: Vec<&'a Context>,
    new_users: Vec<&'a User>,
    changes: Vec<Change>,
    /// Contexts that are to know the numbers of others.
    inclusions: Vec<&'a Context>,
    trunks: Vec<Step<'a>>,
}

/// A partial update of one resource.
struct Change {
    what: String,
    path: String,
    body: Value,
}

impl<'a> Plan<'a> {
    fn between(current: &Current, wanted: &'a Company) -> Self {
        let mut plan = Self::default();
        for context in &wanted.contexts {
            match current.contexts.get(&context.name) {
                None => plan.new_contexts.push(context),
                Some(known) => plan.changes.extend(context_change(known, context)),
            }
            let known = current.contexts.get(&context.name);
            let includes = known.map_or(&[][..], |known| &known.value.includes);
            if !context.includes.is_empty() && context.includes != includes {
                plan.inclusions.push(context);
            }
        }
        for user in &wanted.users {
            match current
                .users
                .get(&(user.context.clone(), user.exten.clone()))
            {
                None => plan.new_users.push(user),
                Some(known) => {
                    plan.changes.extend(user_change(known, user));
                    plan.changes.extend(credentials_change(known, user));
                }
            }
        }
        plan
    }

    fn is_empty(&self) -> bool {
        self.new_contexts.is_empty()
            && self.new_users.is_empty()
            && self.changes.is_empty()
            && self.inclusions.is_empty()
            && self.trunks.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let contexts = self
            .new_contexts
            .iter()
            .map(|context| format!("+ context {}", context.name));
        let users = self.new_users.iter().map(|user| {
            let name = [
                user.firstname.as_str(),
                user.lastname.as_deref().unwrap_or_default(),
            ]
            .join(" ");
            format!(
                "+ user {} ({}@{})",
                name.trim_end(),
                user.exten,
                user.context
            )
        });
        let changes = self
            .changes
            .iter()
            .map(|change| format!("~ {}", change.what));
        let inclusions = self.inclusions.iter().map(|context| {
            let included = context.includes.join(", ");
            format!("~ context {}: includes {included}", context.name)
        });
        let trunks = self.trunks.iter().map(|step| step.line.clone());
        contexts
            .chain(users)
            .chain(changes)
            .chain(inclusions)
            .chain(trunks)
            .collect()
    }

    fn carry_out(&self, client: &Client) -> Result<()> {
        for context in &self.new_contexts {
            client.post("/1.1/contexts", &context_body(context))?;
        }
        for change in &self.changes {
            client.put(&change.path, &change.body)?;
        }
        for context in &self.inclusions {
            include(client, context)?;
        }
        import::create(client, &self.new_users)?;
        for step in &self.trunks {
            step.carry_out(client)?;
        }
        Ok(())
    }
}

/// A context is to know the numbers of others.
fn include(client: &Client, context: &Context) -> Result<()> {
    let all = client.items("/1.1/contexts")?;
    let id = |name: &str| {
        let known = all.iter().find(|known| known["name"] == name);
        known
            .map(|known| known["id"].clone())
            .with_context(|| format!("contexts: there is no context {name}"))
    };
    let own = id(&context.name)?;
    let included: Vec<Value> = context
        .includes
        .iter()
        .map(|name| Ok(json!({ "id": id(name)? })))
        .collect::<Result<_>>()?;
    client.put(
        &format!("/1.1/contexts/{own}/contexts"),
        &json!({ "contexts": included }),
    )?;
    Ok(())
}

fn context_body(context: &Context) -> Value {
    let mut body = json!({
        "name": context.name,
        "type": context.kind,
        "user_ranges": context.user_ranges,
        "incall_ranges": context.incall_ranges,
    });
    if let Some(label) = &context.label {
        body["label"] = json!(label);
    }
    body
}

fn context_change(known: &Known<Context>, wanted: &Context) -> Option<Change> {
    let mut body = json!({});
    let mut fields = Vec::new();
    if wanted.label.is_some() && wanted.label != known.value.label {
        body["label"] = json!(wanted.label);
        fields.push("label");
    }
    if !wanted.user_ranges.is_empty() && wanted.user_ranges != known.value.user_ranges {
        body["user_ranges"] = json!(wanted.user_ranges);
        fields.push("user_ranges");
    }
    if !wanted.incall_ranges.is_empty() && wanted.incall_ranges != known.value.incall_ranges {
        body["incall_ranges"] = json!(wanted.incall_ranges);
        fields.push("incall_ranges");
    }
    (!fields.is_empty()).then(|| Change {
        what: format!("context {}: {}", wanted.name, fields.join(", ")),
        path: format!("/1.1/contexts/{}", known.id),
        body,
    })
}

fn user_change(known: &Known<User>, wanted: &User) -> Option<Change> {
    let mut body = json!({});
    let mut fields = Vec::new();
    let mut differ = |field: &'static str, wanted: Value, known: Value| {
        if !wanted.is_null() && wanted != known {
            body[field] = wanted;
            fields.push(field);
        }
    };
    let old = &known.value;
    differ("firstname", json!(wanted.firstname), json!(old.firstname));
    differ("lastname", json!(wanted.lastname), json!(old.lastname));
    differ("email", json!(wanted.email), json!(old.email));
    differ(
        "ring_seconds",
        json!(wanted.ring_seconds),
        json!(old.ring_seconds),
    );
    (!fields.is_empty()).then(|| Change {
        what: format!(
            "user {}@{}: {}",
            wanted.exten,
            wanted.context,
            fields.join(", ")
        ),
        path: format!("/1.1/users/{}", known.id),
        body,
    })
}

fn credentials_change(known: &Known<User>, wanted: &User) -> Option<Change> {
    let sip = wanted.sip.as_ref()?;
    let endpoint = known.endpoint?;
    (known.value.sip.as_ref() != Some(sip)).then(|| Change {
        what: format!("user {}@{}: sip credentials", wanted.exten, wanted.context),
        path: format!("/1.1/endpoints/sip/{endpoint}"),
        body: json!({ "username": sip.username, "secret": sip.secret }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::EXAMPLE;
    use std::collections::BTreeMap;

    fn current(company: &Company) -> Current {
        let contexts = company.contexts.iter().cloned().map(|value| {
            (
                value.name.clone(),
                Known {
                    id: 1,
                    endpoint: None,
                    value,
                },
            )
        });
        let users = company.users.iter().cloned().map(|value| {
            let key = (value.context.clone(), value.exten.clone());
            (
                key,
                Known {
                    id: 7,
                    endpoint: Some(9),
                    value,
                },
            )
        });
        Current {
            contexts: contexts.collect(),
            users: users.collect(),
        }
    }

    #[test]
    fn an_empty_cluster_gets_everything() {
        let wanted = Company::parse(EXAMPLE).expect("the example is right");
        let empty = Current {
            contexts: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        let plan = Plan::between(&empty, &wanted);
        assert_eq!(
            plan.lines(),
            ["+ context default", "+ user Alice Martin (1001@default)"]
        );
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        let wanted = Company::parse(EXAMPLE).expect("the example is right");
        assert!(Plan::between(&current(&wanted), &wanted).is_empty());
    }

    #[test]
    fn only_the_fields_that_differ_are_written() {
        let old = Company::parse(EXAMPLE).expect("the example is right");
        let text = EXAMPLE
            .replace("Martin", "Durand")
            .replace("a-long-secret", "another-secret");
        let wanted = Company::parse(&text).expect("the changed example is right");
        let now = current(&old);
        let plan = Plan::between(&now, &wanted);
        assert_eq!(
            plan.lines(),
            [
                "~ user 1001@default: lastname",
                "~ user 1001@default: sip credentials"
            ]
        );
        assert_eq!(plan.changes[0].body, json!({ "lastname": "Durand" }));
        assert_eq!(plan.changes[1].path, "/1.1/endpoints/sip/9");
    }
}
