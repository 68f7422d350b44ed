//! Commands of every kind, at random.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use crate::{
    Account, AccountCommand, Administrator, AdministratorId, ApiToken, Binding, BindingChange,
    CallCommand, CallEntry, CallId, CallRecord, CallSummary, Command, ConfigCommand, Context,
    ContextId, ContextKind, ControlNode, Destination, DialogKey, EndpointId, Epoch, Extension,
    ExtensionId, Flow, ImportMode, ImportRow, Incall, IncallId, Initialise, LeaseCommand, Line,
    LineId, Link, MediaCommand, MediaServer, MediaServerId, MediaState, NodeCommand, NodeId,
    NodeState, NumberRange, Outcall, OutcallId, Party, Register, RegisterId, Resource, ResourceKey,
    SecretCommand, SipEndpoint, Site, SiteId, TokenHash, Transport, Trunk, TrunkId, TrunkReport,
    TrunkState, User, UserId, WHILE_NODE_LIVES,
};

/// Few ids, so that commands meet.
fn id() -> impl Strategy<Value = u32> {
    0..5u32
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["alice", "bob", "carol", "default", "sales", "from-extern"]).prop_map(str::to_owned),
        1 => ".{0,6}",
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![8 => (100..112u32).prop_map(|n| n.to_string()), 1 => ".{0,4}"]
}

fn revision() -> impl Strategy<Value = u64> {
    0..60u64
}

fn user() -> impl Strategy<Value = User> {
    (
        id(),
        revision(),
        id(),
        name(),
        option::of(name()),
        vec(id().prop_map(LineId), 0..3),
    )
        .prop_map(|(id, revision, uuid, firstname, username, lines)| User {
            id: UserId(id),
            revision,
            uuid: format!("00000000-0000-4000-8000-{uuid:012}"),
            firstname,
            username,
            lines,
            ..User::default()
        })
}

fn line() -> impl Strategy<Value = Line> {
    let links = (
        option::of(id().prop_map(EndpointId)),
        vec(id().prop_map(UserId), 0..3),
        option::of(id().prop_map(SiteId)),
    );
    (
        id(),
        revision(),
        name(),
        option::of(100_000..100_003u32),
        links,
    )
        .prop_map(
            |(id, revision, context, code, (endpoint_sip, users, site))| Line {
                id: LineId(id),
                revision,
                context,
                provisioning_code: code.map(|code| code.to_string()),
                endpoint_sip,
                users,
                site,
                ..Line::default()
            },
        )
}

fn endpoint() -> impl Strategy<Value = SipEndpoint> {
    (id(), revision(), name(), name()).prop_map(|(id, revision, username, secret)| SipEndpoint {
        id: EndpointId(id),
        revision,
        username,
        secret: secret.into(),
        ..SipEndpoint::default()
    })
}

fn extension() -> impl Strategy<Value = Extension> {
    (
        id(),
        revision(),
        number(),
        name(),
        option::of(id().prop_map(LineId)),
        any::<bool>(),
    )
        .prop_map(|(id, revision, exten, context, line, enabled)| Extension {
            id: ExtensionId(id),
            revision,
            exten,
            context,
            enabled,
            line,
            ..Extension::default()
        })
}

fn context() -> impl Strategy<Value = Context> {
    let kind = prop::sample::select(ContextKind::ALL.to_vec());
    let ranges = vec(
        (number(), number()).prop_map(|(start, end)| NumberRange {
            start,
            end,
            did_length: 0,
        }),
        0..2,
    );
    (
        id(),
        revision(),
        name(),
        kind,
        ranges,
        vec(id().prop_map(ContextId), 0..3),
    )
        .prop_map(
            |(id, revision, name, kind, user_ranges, includes)| Context {
                id: ContextId(id),
                revision,
                name,
                kind,
                user_ranges,
                includes,
                ..Context::default()
            },
        )
}

fn administrator() -> impl Strategy<Value = Administrator> {
    (id(), revision(), name(), name(), any::<bool>()).prop_map(
        |(id, revision, username, hash, enabled)| Administrator {
            id: AdministratorId(id),
            revision,
            username,
            password_hash: hash.into(),
            enabled,
            created_at_ms: 0,
        },
    )
}

fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        user().prop_map(Resource::User),
        line().prop_map(Resource::Line),
        endpoint().prop_map(Resource::Endpoint),
        extension().prop_map(Resource::Extension),
        context().prop_map(Resource::Context),
        administrator().prop_map(Resource::Administrator),
        carrier(),
        carrier(),
        (id(), revision(), name()).prop_map(|(id, revision, name)| Resource::Site(Site {
            id: SiteId(id),
            revision,
            name,
            subnets: Vec::new()
        })),
    ]
}

fn key() -> impl Strategy<Value = ResourceKey> {
    (0..12u8, id()).prop_map(|(kind, id)| match kind {
        0 => ResourceKey::User(UserId(id)),
        1 => ResourceKey::Line(LineId(id)),
        2 => ResourceKey::Endpoint(EndpointId(id)),
        3 => ResourceKey::Extension(ExtensionId(id)),
        4 => ResourceKey::Context(ContextId(id)),
        5 => ResourceKey::Site(SiteId(id)),
        6 => ResourceKey::MediaServer(MediaServerId(id)),
        7 => ResourceKey::Trunk(TrunkId(id)),
        8 => ResourceKey::Register(RegisterId(id)),
        9 => ResourceKey::Outcall(OutcallId(id)),
        10 => ResourceKey::Incall(IncallId(id)),
        _ => ResourceKey::Administrator(AdministratorId(id)),
    })
}

fn link() -> impl Strategy<Value = Link> {
    (0..7u8, id(), id()).prop_map(|(kind, one, two)| match kind {
        3 => Link::TrunkEndpoint {
            trunk: TrunkId(one),
            endpoint: EndpointId(two),
        },
        4 => Link::TrunkRegister {
            trunk: TrunkId(one),
            register: RegisterId(two),
        },
        5 => Link::IncallExtension {
            incall: IncallId(one),
            extension: ExtensionId(two),
        },
        6 => Link::OutcallExtension {
            outcall: OutcallId(one),
            extension: ExtensionId(two),
        },
        0 => Link::UserLine {
            user: UserId(one),
            line: LineId(two),
        },
        1 => Link::LineExtension {
            line: LineId(one),
            extension: ExtensionId(two),
        },
        _ => Link::LineEndpoint {
            line: LineId(one),
            endpoint: EndpointId(two),
        },
    })
}

fn import_row() -> impl Strategy<Value = ImportRow> {
    (
        user(),
        option::of(name()),
        option::of(number()),
        option::of(endpoint()),
        option::of(number()),
    )
        .prop_map(|(user, context, exten, endpoint, incall_exten)| ImportRow {
            row_number: user.id.0,
            user,
            context: context.clone(),
            exten,
            provisioning_code: None,
            endpoint,
            incall_exten,
            incall_context: context,
        })
}

pub(super) fn configure() -> impl Strategy<Value = ConfigCommand> {
    prop_oneof![
        6 => resource().prop_map(ConfigCommand::Create),
        4 => resource().prop_map(ConfigCommand::Update),
        1 => key().prop_map(ConfigCommand::Delete),
        3 => link().prop_map(ConfigCommand::Associate),
        1 => link().prop_map(ConfigCommand::Dissociate),
        1 => (id(), vec(id().prop_map(LineId), 0..3))
            .prop_map(|(user, lines)| ConfigCommand::SetUserLines { user: UserId(user), lines }),
        1 => (any::<bool>(), vec(import_row(), 0..4)).prop_map(|(new, rows)| ConfigCommand::Import {
            mode: if new { ImportMode::Create } else { ImportMode::Update },
            rows
        }),
    ]
}

fn flow() -> impl Strategy<Value = Flow> {
    id().prop_map(|peer| Flow {
        node: NodeId(1),
        transport: Transport::Tcp,
        local: ([127, 0, 1, 1], 5060).into(),
        peer: ([192, 0, 2, peer as u8], 5060).into(),
        connection: u64::from(peer),
    })
}

fn binding_change() -> impl Strategy<Value = BindingChange> {
    (0..6u8, id(), id(), 0..4u32, 0..3_000u64, flow()).prop_map(
        |(kind, endpoint, contact, cseq, expires, flow)| {
            let endpoint = EndpointId(endpoint);
            let contact = format!("sip:{contact}@192.0.2.1");
            let call_id = "register".to_owned();
            match kind {
                0..=2 => BindingChange::Put {
                    endpoint,
                    binding: Binding {
                        contact,
                        instance: None,
                        reg_id: None,
                        q: 1000,
                        path: Vec::new(),
                        call_id,
                        cseq,
                        flow,
                        expires_at_ms: expires,
                        user_agent: None,
                        updated_at_ms: 0,
                    },
                },
                3 => BindingChange::Remove {
                    endpoint,
                    contact,
                    call_id,
                    cseq,
                },
                4 => BindingChange::RemoveAll {
                    endpoint,
                    call_id,
                    cseq,
                },
                _ => BindingChange::RemoveFlow { endpoint, flow },
            }
        },
    )
}

fn call() -> impl Strategy<Value = CallCommand> {
    (0..4u8, id(), 0..4u64, 0..4u64, 0..3u64, vec(id(), 0..3)).prop_map(
        |(kind, id, owner, epoch, revision, dialogs)| {
            let line = Some(LineId(id));
            let id = CallId(u128::from(id));
            let epoch = Epoch(epoch);
            match kind {
                0 => CallCommand::Put(Box::new(CallEntry {
                    id,
                    owner: NodeId(owner),
                    epoch,
                    revision,
                    dialogs: dialogs
                        .iter()
                        .map(|tag| DialogKey {
                            call_id: "c".to_owned(),
                            local_tag: tag.to_string(),
                        })
                        .collect(),
                    summary: CallSummary {
                        caller: Party {
                            line,
                            ..Party::default()
                        },
                        ..CallSummary::default()
                    },
                    body: Bytes::from(vec![1, 2, revision as u8]),
                })),
                1 => CallCommand::End {
                    id,
                    epoch,
                    record: Box::new(CallRecord::default()),
                },
                2 => CallCommand::Claim {
                    id,
                    epoch,
                    by: NodeId(owner),
                },
                _ => CallCommand::RequestHangup { id },
            }
        },
    )
}

fn lease() -> impl Strategy<Value = LeaseCommand> {
    let ttl_ms = prop_oneof![3 => 0..500u64, 2 => Just(WHILE_NODE_LIVES)];
    (0..3u8, (any::<bool>(), id()), 0..3u64, 0..4u64, ttl_ms).prop_map(
        |(kind, (of_node, resource), holder, epoch, ttl_ms)| {
            let noun = if of_node { "node" } else { "trunk" };
            let resource = format!("{noun}/{resource}");
            let holder = NodeId(holder);
            match kind {
                0 => LeaseCommand::Claim {
                    resource,
                    holder,
                    ttl_ms,
                },
                1 => LeaseCommand::Renew {
                    resource,
                    holder,
                    epoch: Epoch(epoch),
                },
                _ => LeaseCommand::Release {
                    resource,
                    holder,
                    epoch: Epoch(epoch),
                },
            }
        },
    )
}

fn report() -> impl Strategy<Value = TrunkReport> {
    (id(), 0..3u64, 0..4u64).prop_map(|(trunk, node, epoch)| TrunkReport {
        trunk: TrunkId(trunk),
        node: NodeId(node),
        epoch: Epoch(epoch),
        state: TrunkState::Registering,
        contacts: vec![format!("sip:{node}@192.0.2.1")],
        code: None,
        expires_at_ms: 0,
        at_ms: 0,
    })
}

fn carrier() -> impl Strategy<Value = Resource> {
    let trunk = (
        id(),
        revision(),
        name(),
        option::of(name()),
        option::of(id()),
    )
        .prop_map(|(id, revision, name, context, endpoint)| {
            Resource::Trunk(Trunk {
                id: TrunkId(id),
                revision,
                name,
                context,
                endpoint_sip: endpoint.map(EndpointId),
                ..Trunk::default()
            })
        });
    let register = (id(), revision(), name()).prop_map(|(id, revision, name)| {
        Resource::Register(Register {
            id: RegisterId(id),
            revision,
            sip_username: name.clone(),
            remote_host: name,
            ..Register::default()
        })
    });
    let outcall = (id(), revision(), name(), vec(id().prop_map(TrunkId), 0..3)).prop_map(
        |(id, revision, name, trunks)| {
            Resource::Outcall(Outcall {
                id: OutcallId(id),
                revision,
                name,
                trunks,
                ..Outcall::default()
            })
        },
    );
    let incall = (
        id(),
        revision(),
        id(),
        vec(id().prop_map(ExtensionId), 0..3),
    )
        .prop_map(|(id, revision, user, extensions)| {
            Resource::Incall(Incall {
                id: IncallId(id),
                revision,
                destination: Destination::User {
                    user: UserId(user),
                    ring_seconds: None,
                },
                extensions,
                ..Incall::default()
            })
        });
    prop_oneof![trunk, register, outcall, incall]
}

fn machine() -> impl Strategy<Value = Command> {
    (0..6u8, id(), name()).prop_map(|(kind, id, name)| match kind {
        0 => Command::Node(NodeCommand::Start(ControlNode {
            id: NodeId(id.into()),
            name,
            address: [127, 0, 1, 1].into(),
            sip: Vec::new(),
            floating: None,
            api: None,
            cluster: ([127, 0, 1, 1], 7400).into(),
            state: NodeState::Active,
            epoch: Epoch(0),
            version: String::new(),
        })),
        1 => Command::Node(NodeCommand::SetState {
            id: NodeId(id.into()),
            state: NodeState::Left,
        }),
        2 => Command::Node(NodeCommand::Remove {
            id: NodeId(id.into()),
        }),
        3 => Command::Media(MediaCommand::Put(MediaServer {
            id: MediaServerId(id % 3),
            name,
            site: SiteId(id),
            control: ([127, 0, 2, 1], 7500).into(),
            address: [127, 0, 2, 1].into(),
            address_v6: None,
            weight: id,
            ports: (10_000, 20_000),
            state: MediaState::Active,
        })),
        4 => Command::Media(MediaCommand::SetState {
            id: MediaServerId(id),
            state: MediaState::Draining,
        }),
        _ => Command::Media(MediaCommand::Remove {
            id: MediaServerId(id),
        }),
    })
}

fn account() -> impl Strategy<Value = Command> {
    (0..4u8, id(), 0..3_000u64, administrator()).prop_map(
        |(kind, id, expires_at_ms, administrator)| {
            let hash = TokenHash([id as u8; 32]);
            let account = Account::Administrator(AdministratorId(id));
            match kind {
                0 => Command::Account(AccountCommand::PutToken(ApiToken {
                    hash,
                    account,
                    created_at_ms: 0,
                    expires_at_ms,
                    remote_address: None,
                })),
                1 => Command::Account(AccountCommand::RevokeToken { hash }),
                2 => Command::Secret(SecretCommand::PutIfAbsent {
                    name: id.to_string(),
                    value: Bytes::from_static(b"k"),
                }),
                _ => Command::Initialise(Box::new(Initialise {
                    administrator,
                    nonce_key: [id as u8; 32],
                    realm: "carillon".to_owned(),
                })),
            }
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        12 => configure().prop_map(|command| Command::Configure(Box::new(command))),
        4 => vec(binding_change(), 0..4).prop_map(Command::Bindings),
        5 => call().prop_map(Command::Call),
        4 => lease().prop_map(Command::Lease),
        2 => report().prop_map(Command::Trunk),
        2 => machine(),
        2 => account(),
        1 => Just(Command::Sweep),
    ]
}

/// Commands with the leader's times, which may go back when the leader changes.
pub(super) fn history() -> impl Strategy<Value = Vec<(Command, u64)>> {
    vec((command(), 0..3_000u64), 1..60)
}
