//! What holds for any history of commands.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use crate::{
    Account, AccountCommand, Administrator, AdministratorId, ApiToken, Binding, BindingChange,
    CallCommand, CallEntry, CallId, CallRecord, CallSummary, Command, ConfigCommand, Context,
    ContextId, ContextKind, ControlNode, DialogKey, EndpointId, Epoch, Extension, ExtensionId,
    Flow, ImportMode, ImportRow, Initialise, LeaseCommand, Line, LineId, Link, MediaCommand,
    MediaServer, MediaServerId, MediaState, NodeCommand, NodeId, NodeState, NumberRange, Party,
    Resource, ResourceKey, SecretCommand, SipEndpoint, Site, SiteId, Stamp, State, TokenHash,
    Transport, User, UserId,
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
        (id(), revision(), name()).prop_map(|(id, revision, name)| Resource::Site(Site {
            id: SiteId(id),
            revision,
            name,
            subnets: Vec::new()
        })),
    ]
}

fn key() -> impl Strategy<Value = ResourceKey> {
    (0..8u8, id()).prop_map(|(kind, id)| match kind {
        0 => ResourceKey::User(UserId(id)),
        1 => ResourceKey::Line(LineId(id)),
        2 => ResourceKey::Endpoint(EndpointId(id)),
        3 => ResourceKey::Extension(ExtensionId(id)),
        4 => ResourceKey::Context(ContextId(id)),
        5 => ResourceKey::Site(SiteId(id)),
        6 => ResourceKey::MediaServer(MediaServerId(id)),
        _ => ResourceKey::Administrator(AdministratorId(id)),
    })
}

fn link() -> impl Strategy<Value = Link> {
    (0..3u8, id(), id()).prop_map(|(kind, one, two)| match kind {
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

fn configure() -> impl Strategy<Value = ConfigCommand> {
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
    (0..3u8, id(), 0..3u64, 0..4u64, 0..500u64).prop_map(
        |(kind, resource, holder, epoch, ttl_ms)| {
            let resource = format!("trunk/{resource}");
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

fn machine() -> impl Strategy<Value = Command> {
    (0..6u8, id(), name()).prop_map(|(kind, id, name)| match kind {
        0 => Command::Node(NodeCommand::Start(ControlNode {
            id: NodeId(id.into()),
            name,
            address: [127, 0, 1, 1].into(),
            sip: Vec::new(),
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
        2 => lease().prop_map(Command::Lease),
        2 => machine(),
        2 => account(),
        1 => Just(Command::Sweep),
    ]
}

/// Commands with the leader's times, which may go back when the leader changes.
fn history() -> impl Strategy<Value = Vec<(Command, u64)>> {
    vec((command(), 0..3_000u64), 1..60)
}

fn through_a_snapshot(state: &State) -> State {
    let image = rmp_serde::to_vec_named(state).unwrap();
    rmp_serde::from_slice(&image).unwrap()
}

/// Every link is known to both of its sides.
fn links_agree(state: &State) -> bool {
    let users = state.users().values().all(|user| {
        user.lines.iter().all(|line| {
            state
                .lines()
                .get(line)
                .is_some_and(|line| line.users.contains(&user.id))
        })
    });
    let lines = state.lines().values().all(|line| {
        let users = line.users.iter().all(|user| {
            state
                .users()
                .get(user)
                .is_some_and(|u| u.lines.contains(&line.id))
        });
        let numbers = line.extensions.iter().all(|id| {
            state
                .extensions()
                .get(id)
                .is_some_and(|extension| extension.line == Some(line.id))
        });
        let endpoint = line
            .endpoint_sip
            .is_none_or(|id| state.endpoints().contains(&id));
        users && numbers && endpoint && state.context_by_name(&line.context).is_some()
    });
    let extensions = state.extensions().values().all(|extension| {
        extension.line.is_none_or(|line| {
            state
                .lines()
                .get(&line)
                .is_some_and(|line| line.extensions.contains(&extension.id))
        })
    });
    users && lines && extensions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nodes_that_apply_the_same_commands_have_the_same_state(history in history(), cuts in vec(0..60usize, 0..4)) {
        let mut leader = State::default();
        let mut follower = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            let at = Stamp { index: index as u64 + 1, now_ms: *now_ms };
            let on_leader = leader.apply(at, command);
            // The follower reads the command from the wire, and is restarted from a snapshot now and then.
            let wire = rmp_serde::to_vec_named(command).unwrap();
            let read: Command = rmp_serde::from_slice(&wire).unwrap();
            prop_assert_eq!(&read, command);
            if cuts.contains(&index) {
                follower = through_a_snapshot(&follower);
            }
            let on_follower = follower.apply(at, &read);
            prop_assert_eq!(on_leader, on_follower);
            prop_assert_eq!(leader.digest(), follower.digest(), "after {:?}", command);
        }
        prop_assert_eq!(&leader, &follower);
        prop_assert_eq!(through_a_snapshot(&leader).digest(), leader.digest());
    }

    #[test]
    fn indices_and_links_are_always_in_step(history in history()) {
        let mut state = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            state.apply(Stamp { index: index as u64 + 1, now_ms: *now_ms }, command);
            prop_assert!(state.indices_are_in_step(), "after {:?}", command);
            prop_assert!(links_agree(&state), "after {:?}", command);
        }
    }

    #[test]
    fn a_refused_command_changes_nothing_but_time(history in history(), last in configure()) {
        let mut state = State::default();
        for (index, (command, now_ms)) in history.iter().enumerate() {
            state.apply(Stamp { index: index as u64 + 1, now_ms: *now_ms }, command);
        }
        let at = Stamp { index: state.applied(), now_ms: state.now_ms() };
        let before = state.clone();
        let applied = state.apply(at, &Command::Configure(Box::new(last)));
        if let crate::Outcome::Rejected(rejection) = applied.outcome {
            prop_assert!(!rejection.field.is_empty() && !rejection.message.is_empty());
            prop_assert!(applied.events.is_empty() && applied.history.is_empty());
            prop_assert_eq!(&state, &before);
        }
    }
}
