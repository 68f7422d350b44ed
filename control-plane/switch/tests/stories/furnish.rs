//! Who works in the office: configuration as administrators would make it.

use carillon_model::{
    Administrator, Command, ConfigCommand, Context, ControlNode, EndpointId, Extension,
    ExtensionId, Initialise, Line, LineId, Link, NodeCommand, NodeId, NodeState, NumberRange,
    Outcome, Resource, ResourceKey, Secret, SipEndpoint, User, UserId,
};

use super::office::{Office, listeners, sip_address};

impl Office {
    pub(crate) fn furnish(&mut self, nodes: u64) {
        let administrator = Administrator {
            username: "root".to_owned(),
            password_hash: Secret::new("$argon2id$…"),
            ..Administrator::default()
        };
        let realm = "carillon".to_owned();
        let first = Initialise {
            administrator,
            nonce_key: [7; 32],
            realm,
        };
        self.apply(&Command::Initialise(Box::new(first)));
        for number in 1..=nodes {
            let address = sip_address(number);
            self.apply(&Command::Node(NodeCommand::Start(ControlNode {
                id: NodeId(number),
                name: format!("n{number}"),
                address: address.ip(),
                sip: listeners(number),
                floating: self.machines.floating(NodeId(number)),
                api: None,
                cluster: address,
                state: NodeState::Active,
                epoch: Default::default(),
                version: String::new(),
            })));
        }
        self.create(Resource::Context(Context {
            name: "default".to_owned(),
            user_ranges: vec![NumberRange {
                start: "100".to_owned(),
                end: "199".to_owned(),
                did_length: 0,
            }],
            ..Context::default()
        }));
        for (number, name) in ["alice", "bob", "carol"].into_iter().enumerate() {
            self.hire(name, &format!("10{}", number + 1));
        }
    }

    /// A user with a line, a number and credentials.
    pub(crate) fn hire(&mut self, name: &str, number: &str) -> (UserId, LineId, EndpointId) {
        let uuid = format!("00000000-0000-4000-8000-{:012}", self.index);
        let user = User {
            uuid,
            firstname: name.to_owned(),
            ..User::default()
        };
        let ResourceKey::User(user) = self.create(Resource::User(user)) else {
            panic!()
        };
        let endpoint = SipEndpoint {
            username: name.to_owned(),
            secret: Secret::new("s3cret"),
            ..SipEndpoint::default()
        };
        let ResourceKey::Endpoint(endpoint) = self.create(Resource::Endpoint(endpoint)) else {
            panic!()
        };
        let line = Line {
            context: "default".to_owned(),
            ..Line::default()
        };
        let ResourceKey::Line(line) = self.create(Resource::Line(line)) else {
            panic!()
        };
        let extension = Extension {
            exten: number.to_owned(),
            context: "default".to_owned(),
            ..Extension::default()
        };
        let ResourceKey::Extension(extension) = self.create(Resource::Extension(extension)) else {
            panic!()
        };
        self.link(user, line, endpoint, extension);
        (user, line, endpoint)
    }

    fn link(&mut self, user: UserId, line: LineId, endpoint: EndpointId, extension: ExtensionId) {
        for link in [
            Link::LineEndpoint { line, endpoint },
            Link::LineExtension { line, extension },
            Link::UserLine { user, line },
        ] {
            let command = Command::Configure(Box::new(ConfigCommand::Associate(link)));
            assert_eq!(self.apply(&command), Outcome::Done);
        }
    }

    pub(crate) fn create(&mut self, resource: Resource) -> ResourceKey {
        let command = Command::Configure(Box::new(ConfigCommand::Create(resource)));
        match self.apply(&command) {
            Outcome::Created(key) => key,
            other => panic!("{other:?}"),
        }
    }

    /// Changes the user of a name.
    pub(crate) fn change_user(&mut self, name: &str, change: impl Fn(&mut User)) {
        let user = self
            .state
            .users()
            .values()
            .find(|user| user.firstname == name)
            .unwrap();
        let mut user = (**user).clone();
        change(&mut user);
        self.configure(ConfigCommand::Update(Resource::User(user)));
    }

    pub(crate) fn configure(&mut self, command: ConfigCommand) {
        let outcome = self.apply(&Command::Configure(Box::new(command)));
        assert!(!matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
        self.tell_everybody(Vec::new());
    }
}
