//! Stories about a small company, and properties of any history of commands.

mod accounts;
mod addresses;
mod batches;
mod calls;
mod commands;
mod configuration;
mod imports;
mod properties;
mod registrations;
mod takeover;
mod trunks;

use crate::{
    Administrator, Applied, Command, ConfigCommand, Context, EndpointId, Extension, ExtensionId,
    Initialise, Line, LineId, NumberRange, Outcome, Rejection, Resource, ResourceKey, Secret,
    SipEndpoint, Stamp, State, User, UserId,
};

/// A state and its log position.
struct Cluster {
    state: State,
    at: Stamp,
}

impl Cluster {
    /// Initialised, with users 100-199 in the context `default`.
    fn new() -> Self {
        let mut cluster = Self {
            state: State::default(),
            at: Stamp {
                index: 0,
                now_ms: 1_000_000,
            },
        };
        let administrator = Administrator {
            username: "root".to_owned(),
            password_hash: Secret::new("$argon2id$…"),
            ..Administrator::default()
        };
        let initialise = Initialise {
            administrator,
            nonce_key: [7; 32],
            realm: "carillon".to_owned(),
        };
        assert_eq!(
            cluster
                .apply(Command::Initialise(Box::new(initialise)))
                .outcome,
            Outcome::Done
        );
        let context = Context {
            name: "default".to_owned(),
            user_ranges: vec![range("100", "199")],
            ..Context::default()
        };
        cluster.context(context).unwrap();
        cluster
    }

    fn apply(&mut self, command: Command) -> Applied {
        self.at.index += 1;
        let applied = self.state.apply(self.at, &command);
        assert!(self.state.indices_are_in_step(), "after {command:?}");
        applied
    }

    fn configure(&mut self, command: ConfigCommand) -> Result<Outcome, Rejection> {
        match self.apply(Command::Configure(Box::new(command))).outcome {
            Outcome::Rejected(rejection) => Err(rejection),
            outcome => Ok(outcome),
        }
    }

    fn create(&mut self, resource: Resource) -> Result<ResourceKey, Rejection> {
        match self.configure(ConfigCommand::Create(resource))? {
            Outcome::Created(key) => Ok(key),
            other => panic!("created and yet {other:?}"),
        }
    }

    fn update(&mut self, resource: Resource) -> Result<(), Rejection> {
        self.configure(ConfigCommand::Update(resource)).map(|_| ())
    }

    fn delete(&mut self, key: ResourceKey) -> Result<(), Rejection> {
        self.configure(ConfigCommand::Delete(key)).map(|_| ())
    }

    fn user(&mut self, firstname: &str) -> UserId {
        let uuid = format!("00000000-0000-4000-8000-{:012}", self.at.index);
        let user = User {
            uuid,
            firstname: firstname.to_owned(),
            ..User::default()
        };
        match self.create(Resource::User(user)).unwrap() {
            ResourceKey::User(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn endpoint(&mut self, username: &str) -> EndpointId {
        let endpoint = SipEndpoint {
            username: username.to_owned(),
            secret: Secret::new("s3cret"),
            ..SipEndpoint::default()
        };
        match self.create(Resource::Endpoint(endpoint)).unwrap() {
            ResourceKey::Endpoint(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn line(&mut self, line: Line) -> LineId {
        match self
            .create(Resource::Line(Line {
                context: "default".to_owned(),
                ..line
            }))
            .unwrap()
        {
            ResourceKey::Line(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn extension(
        &mut self,
        exten: &str,
        context: &str,
        line: Option<LineId>,
    ) -> Result<ExtensionId, Rejection> {
        let extension = Extension {
            exten: exten.to_owned(),
            context: context.to_owned(),
            line,
            ..Extension::default()
        };
        match self.create(Resource::Extension(extension))? {
            ResourceKey::Extension(id) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    /// A user with a line, credentials of the same name, and a number.
    fn phone(&mut self, name: &str, exten: &str) -> (UserId, LineId, EndpointId) {
        let user = self.user(name);
        let endpoint = self.endpoint(name);
        let line = self.line(Line {
            users: vec![user],
            endpoint_sip: Some(endpoint),
            ..Line::default()
        });
        self.extension(exten, "default", Some(line)).unwrap();
        (user, line, endpoint)
    }

    fn context(&mut self, context: Context) -> Result<ResourceKey, Rejection> {
        self.create(Resource::Context(context))
    }
}

fn range(start: &str, end: &str) -> NumberRange {
    NumberRange {
        start: start.to_owned(),
        end: end.to_owned(),
        did_length: 0,
    }
}
