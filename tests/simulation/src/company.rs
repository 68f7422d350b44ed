//! The company that the stories are about.

use carillon_model::{
    Administrator, Command, ConfigCommand, Context, ImportMode, ImportRow, Initialise,
    MediaCommand, MediaServer, MediaServerId, MediaState, NumberRange, Register, RegisterId,
    Resource, Secret, SipEndpoint, SiteId, Trunk, User,
};

use crate::carrier;
use crate::network::Host;
use crate::phone;
use crate::world::{MEDIA_SERVERS, PHONES};

const CONTEXT: &str = "default";
const MEDIA_CONTROL_PORT: u16 = 7500;

/// What makes an empty cluster the company's.
pub(crate) fn first_commands() -> Vec<Command> {
    let initialise = Initialise {
        administrator: Administrator {
            username: "admin".to_owned(),
            password_hash: Secret::new("$argon2id$simulated"),
            ..Administrator::default()
        },
        nonce_key: [7; 32],
        realm: "carillon".to_owned(),
    };
    let context = Context {
        name: CONTEXT.to_owned(),
        user_ranges: vec![NumberRange {
            start: "1000".to_owned(),
            end: "1999".to_owned(),
            did_length: 0,
        }],
        ..Context::default()
    };
    let import = ConfigCommand::Import {
        mode: ImportMode::Create,
        rows: (1..=PHONES).map(row).collect(),
    };
    let mut commands = vec![
        Command::Initialise(Box::new(initialise)),
        configure(ConfigCommand::Create(Resource::Context(context))),
        configure(import),
    ];
    commands.extend((1..=MEDIA_SERVERS).map(media_server));
    commands
}

/// What gives the company a trunk that registers at the carrier.
pub(crate) fn carrier_commands() -> [Command; 2] {
    let register = Register {
        sip_username: "0390000000".to_owned(),
        auth_password: Secret::new(carrier::PASSWORD),
        remote_host: Host::Carrier.ip().to_string(),
        ..Register::default()
    };
    let trunk = Trunk {
        name: "carrier".to_owned(),
        register_sip: Some(RegisterId(1)),
        ..Trunk::default()
    };
    [Resource::Register(register), Resource::Trunk(trunk)]
        .map(|resource| configure(ConfigCommand::Create(resource)))
}

fn configure(command: ConfigCommand) -> Command {
    Command::Configure(Box::new(command))
}

/// A person with a phone.
fn row(number: u8) -> ImportRow {
    ImportRow {
        row_number: number.into(),
        user: User {
            uuid: uuid(number.into()),
            firstname: format!("Person {number}"),
            ..User::default()
        },
        context: Some(CONTEXT.to_owned()),
        exten: Some(phone::extension(number)),
        endpoint: Some(SipEndpoint {
            username: phone::username(number),
            secret: Secret::new(phone::password(number)),
            ..SipEndpoint::default()
        }),
        ..ImportRow::default()
    }
}

/// A new employee without a phone: what administrators write while the stories go on.
pub(crate) fn employee(number: u32) -> (String, Command) {
    let user = User {
        uuid: uuid(number),
        firstname: format!("Employee {number}"),
        ..User::default()
    };
    let uuid = user.uuid.clone();
    (uuid, configure(ConfigCommand::Create(Resource::User(user))))
}

fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn media_server(number: u8) -> Command {
    let host = Host::Media(number);
    Command::Media(MediaCommand::Put(MediaServer {
        id: MediaServerId(0),
        name: host.to_string(),
        site: SiteId(0),
        control: host.at(MEDIA_CONTROL_PORT),
        address: host.ip(),
        address_v6: None,
        weight: 100,
        ports: (10_000, 20_000),
        state: MediaState::Active,
    }))
}
