use bytes::Bytes;

use super::Cluster;
use crate::{
    Account, AccountCommand, Administrator, ApiToken, Command, ControlNode, Epoch, Initialise,
    MediaCommand, MediaServer, MediaServerId, MediaState, NodeCommand, NodeId, NodeState, Outcome,
    RejectionKind, Resource, ResourceKey, Secret, SecretCommand, SiteId, TokenHash,
};

fn administrator(username: &str) -> Administrator {
    Administrator {
        username: username.to_owned(),
        password_hash: Secret::new("$argon2id$…"),
        ..Default::default()
    }
}

fn rejected(outcome: Outcome) -> (RejectionKind, String) {
    match outcome {
        Outcome::Rejected(rejection) => (rejection.kind, rejection.field),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cluster_begins_once() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.state.nonce_key(), Some(&[7; 32]));
    let again = Initialise {
        administrator: administrator("mallory"),
        nonce_key: [8; 32],
        realm: "other".to_owned(),
    };
    let outcome = cluster.apply(Command::Initialise(Box::new(again))).outcome;
    assert_eq!(
        rejected(outcome),
        (RejectionKind::Conflict, "administrator".to_owned())
    );
    assert_eq!(cluster.state.realm(), "carillon");
    assert!(cluster.state.administrator_by_username("mallory").is_none());
}

#[test]
fn the_last_enabled_administrator_stays() {
    let mut cluster = Cluster::new();
    let root = (**cluster.state.administrator_by_username("root").unwrap()).clone();
    let disabled = Administrator {
        enabled: false,
        ..root.clone()
    };
    assert_eq!(
        cluster
            .update(Resource::Administrator(disabled.clone()))
            .unwrap_err()
            .field,
        "enabled"
    );
    assert_eq!(
        cluster
            .delete(ResourceKey::Administrator(root.id))
            .unwrap_err()
            .kind,
        RejectionKind::InUse
    );
    cluster
        .create(Resource::Administrator(administrator("second")))
        .unwrap();
    cluster.update(Resource::Administrator(disabled)).unwrap();
}

#[test]
fn a_token_ends_by_time_by_revocation_and_with_its_account() {
    let mut cluster = Cluster::new();
    let key = cluster
        .create(Resource::Administrator(administrator("alice")))
        .unwrap();
    let ResourceKey::Administrator(alice) = key else {
        panic!("an administrator")
    };
    let now = cluster.at.now_ms;
    let token = |text: &str, expires_at_ms| ApiToken {
        hash: TokenHash::of(text),
        account: Account::Administrator(alice),
        created_at_ms: now,
        expires_at_ms,
        remote_address: None,
    };
    for (text, expires) in [
        ("one", now + 10),
        ("two", now + 1_000),
        ("three", now + 1_000),
    ] {
        let put = Command::Account(AccountCommand::PutToken(token(text, expires)));
        assert_eq!(cluster.apply(put).outcome, Outcome::Done);
    }
    let late = cluster
        .apply(Command::Account(AccountCommand::PutToken(token(
            "late", now,
        ))))
        .outcome;
    assert_eq!(rejected(late).1, "expiration");
    cluster.at.now_ms += 10;
    assert_eq!(
        cluster.apply(Command::Sweep).outcome,
        Outcome::Swept {
            bindings: 0,
            tokens: 1
        }
    );
    cluster.apply(Command::Account(AccountCommand::RevokeToken {
        hash: TokenHash::of("two"),
    }));
    assert_eq!(cluster.state.tokens().len(), 1);
    let mut changed = (**cluster.state.administrators().get(&alice).unwrap()).clone();
    changed.password_hash = Secret::new("$argon2id$new");
    cluster.update(Resource::Administrator(changed)).unwrap();
    assert!(
        cluster.state.tokens().is_empty(),
        "a new password ends what the old one began"
    );
}

#[test]
fn the_first_of_two_keys_wins() {
    let mut cluster = Cluster::new();
    let put = |value: &'static [u8]| {
        Command::Secret(SecretCommand::PutIfAbsent {
            name: "ca".to_owned(),
            value: Bytes::from_static(value),
        })
    };
    assert_eq!(cluster.apply(put(b"first")).outcome, Outcome::Done);
    assert_eq!(
        rejected(cluster.apply(put(b"second")).outcome),
        (RejectionKind::Conflict, "name".to_owned())
    );
    assert_eq!(cluster.state.secret("ca").unwrap().as_ref(), b"first");
}

#[test]
fn a_node_has_a_new_epoch_with_every_start() {
    let mut cluster = Cluster::new();
    let node = ControlNode {
        id: NodeId(4),
        name: "control-4".to_owned(),
        address: [127, 0, 1, 4].into(),
        sip: Vec::new(),
        floating: None,
        api: None,
        cluster: ([127, 0, 1, 4], 7400).into(),
        state: NodeState::Active,
        epoch: Epoch(99),
        version: "0.1.0".to_owned(),
    };
    let start = Command::Node(NodeCommand::Start(node));
    assert_eq!(
        cluster.apply(start.clone()).outcome,
        Outcome::Started(Epoch(1))
    );
    assert_eq!(cluster.apply(start).outcome, Outcome::Started(Epoch(2)));
    cluster.apply(Command::Node(NodeCommand::SetState {
        id: NodeId(4),
        state: NodeState::Draining,
    }));
    assert_eq!(
        cluster.state.nodes().get(&NodeId(4)).unwrap().state,
        NodeState::Draining
    );
    cluster.apply(Command::Node(NodeCommand::Remove { id: NodeId(4) }));
    assert!(cluster.state.nodes().is_empty());
}

#[test]
fn a_media_server_keeps_its_id_by_its_name() {
    let mut cluster = Cluster::new();
    let server = |name: &str, weight| MediaServer {
        id: MediaServerId(0),
        name: name.to_owned(),
        site: SiteId(0),
        control: ([127, 0, 2, 1], 7500).into(),
        address: [127, 0, 2, 1].into(),
        address_v6: None,
        weight,
        ports: (10_000, 20_000),
        state: MediaState::Active,
    };
    let put = |server| Command::Media(MediaCommand::Put(server));
    let created = |id| Outcome::Created(ResourceKey::MediaServer(MediaServerId(id)));
    assert_eq!(cluster.apply(put(server("media-1", 1))).outcome, created(1));
    assert_eq!(cluster.apply(put(server("media-2", 1))).outcome, created(2));
    let again = cluster.apply(put(server("media-1", 1)));
    assert_eq!((again.outcome, again.events.len()), (created(1), 0));
    assert_eq!(cluster.apply(put(server("media-1", 5))).outcome, created(1));
    let stored = cluster.state.media_server_by_name("media-1").unwrap();
    assert_eq!((stored.weight, stored.site), (5, SiteId(1)));
    let enrolled = |id| MediaServer {
        id: MediaServerId(id),
        ..server("media-9", 1)
    };
    assert_eq!(cluster.apply(put(enrolled(9))).outcome, created(9));
    assert_eq!(
        cluster.apply(put(server("media-10", 1))).outcome,
        created(10)
    );
    assert_eq!(rejected(cluster.apply(put(enrolled(8))).outcome).1, "name");
    let lost = MediaServer {
        site: SiteId(44),
        ..server("media-3", 1)
    };
    assert_eq!(rejected(cluster.apply(put(lost)).outcome).1, "site");
    assert_eq!(
        cluster
            .delete(ResourceKey::Site(SiteId(1)))
            .unwrap_err()
            .field,
        "media_servers"
    );
}
