//! Who gets in.

use std::sync::Arc;
use std::time::Duration;

use carillon_cluster::testing::Registers;
use carillon_cluster::{Cluster, Entry, MemoryStore};
use carillon_link::{JoinToken, KeyRequest, Peer, Subject, enrol};

use super::nodes::{config, founder, in_time, insist, joiner, set};

async fn attempt(token: JoinToken) -> anyhow::Result<Cluster<Registers>> {
    let store = Arc::new(MemoryStore::new());
    in_time(
        "an answer",
        Cluster::start(config("x", Entry::Join(token)), store),
    )
    .await
}

fn why(result: anyhow::Result<Cluster<Registers>>) -> String {
    format!("{:#}", result.err().expect("nobody is let in"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_token_becomes_a_voter_and_has_everything() {
    let a = founder::<Registers>().await;
    insist(&a.cluster, set("x", 1)).await;
    let b = joiner("b", &a.cluster).await;
    assert_eq!(b.id().0, 2);
    in_time(
        "the state",
        b.cluster.until(|state| state.values.get("x") == Some(&1)),
    )
    .await;
    let status = a.cluster.status();
    assert_eq!(status.peers.iter().filter(|peer| peer.voter).count(), 2);
    assert_eq!(status.cluster, "test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_token_lets_nobody_else_in() {
    let a = founder::<Registers>().await;
    let token = a
        .cluster
        .issue_token(Duration::from_secs(60))
        .await
        .unwrap();
    attempt(token.clone()).await.unwrap();
    assert!(why(attempt(token).await).contains("has been used"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_expired_token_lets_nobody_in() {
    let a = founder::<Registers>().await;
    let token = a.cluster.issue_token(Duration::ZERO).await.unwrap();
    assert!(why(attempt(token.clone()).await).contains("has expired"));
    let invented = JoinToken::generate(token.authority, token.addresses).unwrap();
    assert!(why(attempt(invented).await).contains("not known here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joining_node_does_not_trust_another_cluster() {
    let (a, b) = (founder::<Registers>().await, founder::<Registers>().await);
    let mut token = a
        .cluster
        .issue_token(Duration::from_secs(60))
        .await
        .unwrap();
    token.addresses = vec![b.cluster.address()];
    assert!(why(attempt(token).await).contains("another cluster's authority"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_server_joins_by_the_same_door() {
    let a = founder::<Registers>().await;
    let token = a
        .cluster
        .issue_token(Duration::from_secs(60))
        .await
        .unwrap();
    let subject = Subject::Media {
        name: "m1".to_owned(),
        address: "127.0.0.1:7500".parse().unwrap(),
    };
    let (credentials, contacts) = enrol(&token, subject, KeyRequest::generate().unwrap())
        .await
        .unwrap();
    assert_eq!(credentials.peer(), Peer::Media(1));
    assert_eq!(contacts[0].address, a.cluster.address());
    assert_eq!(a.cluster.administration().media[&1].name, "m1");
    let own = a
        .cluster
        .enrol_media("m2", "127.0.0.1:7501".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(own.peer(), Peer::Media(2));
}
