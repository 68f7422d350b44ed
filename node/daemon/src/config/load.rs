//! From a file and the environment to a [`Config`], with every problem at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Config, Role};

/// Environment variables that name a field: `CARILLON_NAME`, `CARILLON_SIP__LISTEN`.
const PREFIX: &str = "CARILLON_";
const SECTION_SEPARATOR: &str = "__";
const PLAIN_FIELDS: [&str; 4] = ["name", "roles", "data", "address"];
const SECTIONS: [&str; 9] = [
    "cluster",
    "sip",
    "floating",
    "dns",
    "calls",
    "registrar",
    "api",
    "media",
    "telemetry",
];

const DEFAULT_DATA: &str = "carillon-data";

/// Reads the file (none: a single box with everything at its default) and the environment.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Vec<String>> {
    let mut table = match file {
        Some(path) => read(path).map_err(|problem| vec![problem])?,
        None => Table::new(),
    };
    overlay(&mut table, environment);
    build(&table)
}

fn read(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    text.parse()
        .map_err(|error: toml::de::Error| format!("{}: {error}", path.display()))
}

fn overlay(table: &mut Table, environment: impl Iterator<Item = (String, String)>) {
    // Sorted, so that the outcome does not hang on the order of the environment.
    let set: BTreeMap<String, String> = environment
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_lowercase(), value)))
        .collect();
    for (name, text) in set {
        let path: Vec<&str> = name.split(SECTION_SEPARATOR).collect();
        let ours = match path.as_slice() {
            [field] => PLAIN_FIELDS.contains(field),
            [section, ..] => SECTIONS.contains(section),
            [] => false,
        };
        if ours {
            put(table, &path, value(text));
        }
    }
}

/// `true`, `5`, `["a", "b"]` as TOML reads them; all else is a text.
fn value(text: String) -> Value {
    let read: Result<Table, _> = format!("value = {text}").parse();
    read.ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or(Value::String(text))
}

fn put(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [field] => {
            table.insert((*field).to_owned(), value);
        }
        [section, rest @ ..] => {
            let inner = table
                .entry((*section).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn build(table: &Table) -> Result<Config, Vec<String>> {
    let mut problems = Vec::new();
    for field in table.keys() {
        if !PLAIN_FIELDS.contains(&field.as_str()) && !SECTIONS.contains(&field.as_str()) {
            problems.push(format!("{field}: there is no such field"));
        }
    }
    let mut reader = Reader {
        table,
        problems: &mut problems,
    };
    let address: Option<IpAddr> = reader.plain("address");
    let config = Config {
        name: reader.plain("name").unwrap_or_else(host_name),
        roles: reader
            .plain("roles")
            .unwrap_or_else(|| vec![Role::Control, Role::Media]),
        data: reader
            .plain("data")
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA)),
        cluster: reader.section("cluster", address, &[("listen", 7400)]),
        sip: reader.section("sip", address, &[]),
        floating: reader.section("floating", address, &[]),
        dns: reader.section("dns", address, &[]),
        calls: reader.section("calls", address, &[]),
        registrar: reader.section("registrar", address, &[]),
        api: reader.section("api", address, &[("listen", 8443)]),
        media: reader.section("media", address, &[("control", 7500)]),
        telemetry: reader.section("telemetry", address, &[("metrics", 9464)]),
    };
    problems.extend(config.problems());
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let short = name.split('.').next().unwrap_or_default();
    if short.is_empty() {
        "carillon".to_owned()
    } else {
        short.to_owned()
    }
}

struct Reader<'a> {
    table: &'a Table,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn plain<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let value = self.table.get(field)?.clone();
        match value.try_into() {
            Ok(read) => Some(read),
            Err(error) => {
                self.problems.push(format!("{field}: {}", message(&error)));
                None
            }
        }
    }

    /// A section. Each of its fields is read alone first, so that all that are wrong are named;
    /// `ports` are fields that follow the node's address.
    fn section<T: DeserializeOwned + Default>(
        &mut self,
        section: &str,
        address: Option<IpAddr>,
        ports: &[(&str, u16)],
    ) -> T {
        let mut fields = defaults(section, address, ports);
        match self.table.get(section) {
            Some(Value::Table(given)) => fields.extend(given.clone()),
            Some(_) => {
                self.problems
                    .push(format!("{section}: must be a section, [{section}]"));
                return T::default();
            }
            None => {}
        }
        let mut sound = Table::new();
        for (field, value) in fields {
            let alone = Table::from_iter([(field.clone(), value.clone())]);
            match Value::Table(alone).try_into::<T>() {
                Ok(_) => {
                    sound.insert(field, value);
                }
                Err(error) => self
                    .problems
                    .push(format!("{section}.{field}: {}", message(&error))),
            }
        }
        Value::Table(sound).try_into().unwrap_or_default()
    }
}

/// What the node's address decides where the file says nothing.
fn defaults(section: &str, address: Option<IpAddr>, ports: &[(&str, u16)]) -> Table {
    let mut fields = Table::new();
    let Some(address) = address else {
        return fields;
    };
    for (field, port) in ports {
        let at = SocketAddr::new(address, *port);
        fields.insert((*field).to_owned(), Value::String(at.to_string()));
    }
    match section {
        "sip" => {
            let listen = [("udp", 5060), ("tcp", 5060), ("tls", 5061)].map(|(transport, port)| {
                Value::String(format!("{transport}:{}", SocketAddr::new(address, port)))
            });
            fields.insert("listen".to_owned(), Value::Array(listen.to_vec()));
        }
        "media" => {
            fields.insert("address".to_owned(), Value::String(address.to_string()));
        }
        _ => {}
    }
    fields
}

fn message(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let mut table: Table = text.parse().unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        overlay(&mut table, environment);
        build(&table)
    }

    #[test]
    fn an_empty_file_is_a_single_box() {
        let config = load_text("", &[]).unwrap();
        assert!(config.has(Role::Control) && config.has(Role::Media));
        assert_eq!(config.data, PathBuf::from("carillon-data"));
        assert_eq!(config.sip.listen.len(), 3);
    }

    #[test]
    fn the_address_of_a_node_is_that_of_all_its_ports() {
        let text =
            "address = '127.0.1.2'\nroles = ['control']\n[telemetry]\nmetrics = '127.0.0.9:1'";
        let config = load_text(text, &[]).unwrap();
        assert_eq!(config.cluster.listen.to_string(), "127.0.1.2:7400");
        assert_eq!(config.sip.listen[2].to_string(), "tls:127.0.1.2:5061");
        assert_eq!(config.telemetry.metrics.to_string(), "127.0.0.9:1");
        assert!(!config.has(Role::Media));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text = "
            name = 7
            roles = ['control', 'queen']
            colour = 'blue'
            [sip]
            listen = ['udp:nowhere']
            connections_max = -1
            [telemetry]
            metrics = 'everywhere'
            [telemetry.log]
            level = 'info'
        ";
        let problems = load_text(text, &[]).unwrap_err();
        for field in [
            "name:",
            "roles:",
            "colour:",
            "sip.listen:",
            "sip.connections_max:",
            "telemetry.metrics:",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(field)),
                "{field} {problems:#?}"
            );
        }
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let environment = [
            ("CARILLON_NAME", "n7"),
            ("CARILLON_SIP__LISTEN", "['udp:127.0.0.1:0']"),
            ("CARILLON_TELEMETRY__LOG__LEVEL", "debug"),
            ("CARILLON_PASSWORD", "not ours"),
        ];
        let config = load_text("name = 'n1'", &environment).unwrap();
        assert_eq!(config.name, "n7");
        assert_eq!(config.sip.listen.len(), 1);
        assert_eq!(config.telemetry.log.level, "debug");
    }
}
