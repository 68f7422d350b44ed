//! Carriers: what leads out, what leads in, and who registers.

use super::{Cluster, range};
use crate::{
    Command, ConfigCommand, Context, ContextKind, ControlNode, Destination, Epoch, ExtensionId,
    Incall, LeaseCommand, LeaseOutcome, Link, NodeCommand, NodeId, NodeState, Outcall, OutcallId,
    OutcallNumber, Outcome, Register, Resource, ResourceKey, Trunk, TrunkId, TrunkReport,
    TrunkState, WHILE_NODE_LIVES, node_resource, trunk_resource,
};

fn to_the_outside(cluster: &mut Cluster) -> crate::ContextId {
    let ResourceKey::Context(outside) = cluster
        .context(Context {
            name: "to-extern".to_owned(),
            kind: ContextKind::Outcall,
            ..Context::default()
        })
        .unwrap()
    else {
        panic!("a context")
    };
    let inside = (**cluster.state.context_by_name("default").unwrap()).clone();
    cluster
        .update(Resource::Context(Context {
            includes: vec![outside],
            ..inside
        }))
        .unwrap();
    outside
}

fn trunk(cluster: &mut Cluster, name: &str) -> TrunkId {
    let trunk = Trunk {
        name: name.to_owned(),
        ..Trunk::default()
    };
    match cluster.create(Resource::Trunk(trunk)).unwrap() {
        ResourceKey::Trunk(id) => id,
        other => panic!("{other:?}"),
    }
}

fn way_out(cluster: &mut Cluster, name: &str, trunk: TrunkId) -> OutcallId {
    let outcall = Outcall {
        name: name.to_owned(),
        trunks: vec![trunk],
        ..Outcall::default()
    };
    match cluster.create(Resource::Outcall(outcall)).unwrap() {
        ResourceKey::Outcall(id) => id,
        other => panic!("{other:?}"),
    }
}

fn leave_by(cluster: &mut Cluster, outcall: OutcallId, extension: ExtensionId, strip_digits: u32) {
    let number = OutcallNumber {
        extension,
        strip_digits,
        external_prefix: Some("+33".to_owned()),
        ..OutcallNumber::default()
    };
    cluster
        .configure(ConfigCommand::SetOutcallNumber { outcall, number })
        .unwrap();
}

#[test]
fn a_number_leaves_by_the_most_particular_pattern_of_an_included_context() {
    let mut cluster = Cluster::new();
    to_the_outside(&mut cluster);
    let cheap = trunk(&mut cluster, "cheap");
    let any = cluster.extension("_0.", "to-extern", None).unwrap();
    let national = cluster.extension("_0ZXXXXXXXX", "to-extern", None).unwrap();
    let wide = way_out(&mut cluster, "wide", cheap);
    let narrow = way_out(&mut cluster, "narrow", cheap);
    leave_by(&mut cluster, wide, any, 0);
    leave_by(&mut cluster, narrow, national, 1);

    let (outcall, rule) = cluster.state.way_out("default", "0390000000").unwrap();
    assert_eq!(outcall.name, "narrow");
    assert_eq!(rule.rewritten("0390000000"), "+33390000000");
    let (outcall, _) = cluster.state.way_out("default", "00491234").unwrap();
    assert_eq!(outcall.name, "wide");
    assert!(cluster.state.way_out("default", "112").is_none());
}

#[test]
fn a_disabled_way_out_is_passed_over() {
    let mut cluster = Cluster::new();
    to_the_outside(&mut cluster);
    let cheap = trunk(&mut cluster, "cheap");
    let any = cluster.extension("_0.", "to-extern", None).unwrap();
    let wide = way_out(&mut cluster, "wide", cheap);
    leave_by(&mut cluster, wide, any, 0);
    let old = (**cluster.state.outcalls().get(&wide).unwrap()).clone();
    cluster
        .update(Resource::Outcall(Outcall {
            enabled: false,
            ..old
        }))
        .unwrap();
    assert!(cluster.state.way_out("default", "0390000000").is_none());
}

#[test]
fn a_pattern_rings_nobody_and_belongs_to_one_way_only() {
    let mut cluster = Cluster::new();
    to_the_outside(&mut cluster);
    let (_, line, _) = cluster.phone("alice", "101");
    let pattern = cluster.extension("_0.", "to-extern", None).unwrap();
    let link = Link::LineExtension {
        line,
        extension: pattern,
    };
    let refused = cluster.configure(ConfigCommand::Associate(link));
    assert_eq!(refused.unwrap_err().field, "exten");

    let cheap = trunk(&mut cluster, "cheap");
    let one = way_out(&mut cluster, "one", cheap);
    let two = way_out(&mut cluster, "two", cheap);
    leave_by(&mut cluster, one, pattern, 0);
    let link = Link::OutcallExtension {
        outcall: two,
        extension: pattern,
    };
    let refused = cluster.configure(ConfigCommand::Associate(link));
    assert_eq!(refused.unwrap_err().field, "outcall");
    let refused = cluster.delete(ResourceKey::Extension(pattern));
    assert_eq!(refused.unwrap_err().field, "outcall");
    let refused = cluster.delete(ResourceKey::Trunk(cheap));
    assert_eq!(refused.unwrap_err().field, "outcalls");
    cluster.delete(ResourceKey::Outcall(one)).unwrap();
    cluster.delete(ResourceKey::Extension(pattern)).unwrap();
}

#[test]
fn a_number_called_from_outside_leads_to_a_user_by_its_last_digits_too() {
    let mut cluster = Cluster::new();
    let (alice, _, _) = cluster.phone("alice", "101");
    let mut numbers = range("0390", "0399");
    numbers.did_length = 4;
    cluster
        .context(Context {
            name: "from-extern".to_owned(),
            kind: ContextKind::Incall,
            incall_ranges: vec![numbers],
            ..Context::default()
        })
        .unwrap();
    let did = cluster.extension("0395", "from-extern", None).unwrap();
    let incall = Incall {
        destination: Destination::User {
            user: alice,
            ring_seconds: None,
        },
        extensions: vec![did],
        ..Incall::default()
    };
    let ResourceKey::Incall(incall) = cluster.create(Resource::Incall(incall)).unwrap() else {
        panic!("an incall")
    };
    let leads = |cluster: &Cluster, number: &str| {
        let found = cluster.state.way_in("from-extern", number);
        found.map(|incall| incall.id)
    };
    assert_eq!(leads(&cluster, "0395"), Some(incall));
    assert_eq!(leads(&cluster, "+33120395"), Some(incall));
    assert_eq!(leads(&cluster, "0396"), None);
    assert_eq!(leads(&cluster, "95"), None);
}

#[test]
fn an_endpoint_serves_a_line_or_a_trunk_and_its_options_must_be_readable_for_a_trunk() {
    let mut cluster = Cluster::new();
    let (_, _, phone) = cluster.phone("alice", "101");
    let carrier = trunk(&mut cluster, "carrier");
    let link = |endpoint| {
        ConfigCommand::Associate(Link::TrunkEndpoint {
            trunk: carrier,
            endpoint,
        })
    };
    assert_eq!(cluster.configure(link(phone)).unwrap_err().field, "line");
    let account = cluster.endpoint("account");
    cluster.configure(link(account)).unwrap();
    let mut endpoint = (**cluster.state.endpoints().get(&account).unwrap()).clone();
    endpoint.options = vec![("call-limit".to_owned(), "many".to_owned())];
    let refused = cluster.update(Resource::Endpoint(endpoint)).unwrap_err();
    assert_eq!(refused.field, "options");
    assert!(refused.message.contains("call-limit"), "{refused}");
    let refused = cluster.delete(ResourceKey::Endpoint(account));
    assert_eq!(refused.unwrap_err().field, "trunk");
}

#[test]
fn an_option_that_a_trunk_cannot_obey_is_refused_and_named() {
    let mut cluster = Cluster::new();
    let carrier = trunk(&mut cluster, "carrier");
    let account = cluster.endpoint("account");
    let endpoint = account;
    let trunk = carrier;
    let link = ConfigCommand::Associate(Link::TrunkEndpoint { trunk, endpoint });
    cluster.configure(link).unwrap();
    let mut with = |options: &[(&str, &str)]| {
        let mut endpoint = (**cluster.state.endpoints().get(&account).unwrap()).clone();
        endpoint.options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        cluster.update(Resource::Endpoint(endpoint))
    };
    for (name, value) in [
        ("busylevel", "-1"),
        ("allow", "alaw,pcm"),
        ("disallow", "g730"),
        ("dtmfmode", "tones"),
        ("session-timers", "yes"),
        ("session-expires", "60"),
        ("session-minse", "a while"),
        ("session-refresher", "us"),
        ("rtptimeout", "3601"),
        ("progressinband", "maybe"),
        ("permit", "10.0.0.0/255.0.255.0"),
        ("deny", "carrier.example"),
        ("callbackextension", "a b"),
        ("amaflags", "bill"),
        ("country_code", "+33"),
        ("national_prefix", "none"),
        ("transport", "udp,sctp"),
    ] {
        let refused = with(&[(name, value)]).unwrap_err();
        assert_eq!(refused.field, "options", "{name}");
        assert!(refused.message.starts_with(name), "{refused}");
    }
    let refused = with(&[("session-expires", "90"), ("session-minse", "120")]).unwrap_err();
    assert!(refused.message.contains("session-minse"), "{refused}");
    let refused = with(&[("allow", "alaw"), ("disallow", "alaw")]).unwrap_err();
    assert!(refused.message.contains("disallow"), "{refused}");
    with(&[
        ("disallow", "all"),
        ("allow", "alaw,g722"),
        ("dtmfmode", "info"),
        ("session-timers", "accept"),
        ("session-expires", "600"),
        ("session-minse", "120"),
        ("deny", "0.0.0.0/0.0.0.0"),
        ("permit", "192.0.2.0/24"),
        ("national_prefix", ""),
        ("insecure", "port,invite"),
    ])
    .unwrap();
}

#[test]
fn a_registration_that_nobody_could_make_is_refused_by_its_field() {
    let mut cluster = Cluster::new();
    let right = Register {
        sip_username: "0390000000".to_owned(),
        remote_host: "sip.carrier.example".to_owned(),
        ..Register::default()
    };
    for (field, wrong) in [
        (
            "sip_username",
            Register {
                sip_username: String::new(),
                ..right.clone()
            },
        ),
        (
            "remote_host",
            Register {
                remote_host: "a b".to_owned(),
                ..right.clone()
            },
        ),
        (
            "remote_port",
            Register {
                remote_port: Some(0),
                ..right.clone()
            },
        ),
        (
            "expiration",
            Register {
                expiration_s: 5,
                ..right.clone()
            },
        ),
    ] {
        let refused = cluster.create(Resource::Register(wrong)).unwrap_err();
        assert_eq!(refused.field, field);
    }
    cluster.create(Resource::Register(right)).unwrap();
}

impl Cluster {
    fn node(&mut self, id: u64) {
        let node = ControlNode {
            id: NodeId(id),
            name: format!("n{id}"),
            address: [127, 0, 1, id as u8].into(),
            sip: Vec::new(),
            floating: None,
            api: None,
            cluster: ([127, 0, 1, id as u8], 7400).into(),
            state: NodeState::Active,
            epoch: Epoch(0),
            version: String::new(),
        };
        self.apply(Command::Node(NodeCommand::Start(node)));
        self.lives(id);
    }

    /// It claims its lease and hears that it is granted.
    pub(super) fn lives(&mut self, id: u64) {
        let granted = self.claim(node_resource(NodeId(id)), id, 900);
        let LeaseOutcome::Granted { epoch } = granted else {
            panic!("{granted:?}")
        };
        let renew = LeaseCommand::Renew {
            resource: node_resource(NodeId(id)),
            holder: NodeId(id),
            epoch,
        };
        self.apply(Command::Lease(renew));
    }

    fn claim(&mut self, resource: String, node: u64, ttl_ms: u64) -> LeaseOutcome {
        let command = LeaseCommand::Claim {
            resource,
            holder: NodeId(node),
            ttl_ms,
        };
        match self.apply(Command::Lease(command)).outcome {
            Outcome::Lease(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn claim_trunk(&mut self, trunk: TrunkId, node: u64) -> LeaseOutcome {
        self.claim(trunk_resource(trunk), node, WHILE_NODE_LIVES)
    }

    fn report(&mut self, trunk: TrunkId, node: u64, epoch: u64) -> Outcome {
        let report = TrunkReport {
            trunk,
            node: NodeId(node),
            epoch: Epoch(epoch),
            state: TrunkState::Registering,
            contacts: vec![format!("sip:s@192.0.2.{node}")],
            code: None,
            expires_at_ms: 0,
            at_ms: 0,
        };
        self.apply(Command::Trunk(report)).outcome
    }
}

#[test]
fn a_trunk_is_its_owners_for_as_long_as_that_node_lives() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|id| cluster.node(id));
    let trunk = trunk(&mut cluster, "carrier");
    let granted = |epoch| LeaseOutcome::Granted {
        epoch: Epoch(epoch),
    };
    assert_eq!(cluster.claim_trunk(trunk, 1), granted(1));
    assert!(matches!(
        cluster.claim_trunk(trunk, 2),
        LeaseOutcome::Held { .. }
    ));
    assert_eq!(cluster.report(trunk, 1, 1), Outcome::Done);

    cluster.at.now_ms += 901;
    // Its own node lease has lapsed as well: it may take nothing.
    assert_eq!(cluster.claim_trunk(trunk, 2), LeaseOutcome::Lost);
    cluster.claim(node_resource(NodeId(2)), 2, 900);
    // Nobody knows yet whether it hears.
    assert_eq!(cluster.claim_trunk(trunk, 2), LeaseOutcome::Lost);
    cluster.lives(2);
    assert_eq!(cluster.claim_trunk(trunk, 2), granted(2));
    assert!(matches!(cluster.report(trunk, 1, 1), Outcome::Rejected(_)));
    assert_eq!(cluster.report(trunk, 2, 2), Outcome::Done);
}

#[test]
fn a_node_that_claims_and_is_deaf_to_the_answer_does_not_keep_its_trunk() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|id| cluster.node(id));
    let trunk = trunk(&mut cluster, "carrier");
    cluster.claim_trunk(trunk, 1);
    cluster.at.now_ms += 901;
    cluster.lives(2);
    cluster.claim(node_resource(NodeId(1)), 1, 900);
    assert!(matches!(
        cluster.claim_trunk(trunk, 2),
        LeaseOutcome::Granted { epoch: Epoch(2) }
    ));
}

#[test]
fn a_trunk_that_is_given_back_is_anybodys_at_once() {
    let mut cluster = Cluster::new();
    (1..=2).for_each(|id| cluster.node(id));
    let trunk = trunk(&mut cluster, "carrier");
    cluster.claim_trunk(trunk, 1);
    let release = LeaseCommand::Release {
        resource: trunk_resource(trunk),
        holder: NodeId(1),
        epoch: Epoch(1),
    };
    cluster.apply(Command::Lease(release));
    assert!(matches!(
        cluster.claim_trunk(trunk, 2),
        LeaseOutcome::Granted { epoch: Epoch(2) }
    ));
}
