//! Two machines, a wire, and people who are not who they say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_link::{
    Authority, Connection, Credentials, Endpoint, Incoming, LinkError, NodeId, Peer, Service,
};

const LIMIT: Duration = Duration::from_secs(10);
const NODE_1: Peer = Peer::Node(NodeId(1));
const NODE_2: Peer = Peer::Node(NodeId(2));

fn credentials(authority: &Authority, peer: Peer) -> Arc<Credentials> {
    Arc::new(authority.credentials(peer).unwrap())
}

fn listen(authority: &Authority, peer: Peer, address: &str) -> Endpoint {
    let services = [Service::Cluster, Service::Join, Service::Media];
    Endpoint::bind(
        address.parse().unwrap(),
        credentials(authority, peer),
        &services,
    )
    .unwrap()
}

/// Answers each request with what it got and from whom; returns when the first connection ends.
async fn echo(endpoint: Endpoint) -> Result<(), LinkError> {
    let connection = endpoint.accept().await.expect("open").establish().await?;
    let peer = connection
        .peer()
        .map_or("a stranger".to_owned(), |peer| peer.to_string());
    while let Ok(Incoming::Both(mut sender, mut receiver)) = connection.accept().await {
        while let Some(frame) = receiver.recv().await? {
            let answer = format!("{peer} says {}", String::from_utf8_lossy(&frame));
            sender.send(Bytes::from(answer)).await?;
        }
    }
    Ok(())
}

async fn call(endpoint: &Endpoint, to: SocketAddr, peer: Peer) -> Result<Connection, LinkError> {
    endpoint.connect(to, peer, Service::Cluster).await
}

async fn talk_on(address: &str) {
    let authority = Authority::generate("test").unwrap();
    let (a, b) = (
        listen(&authority, NODE_1, address),
        listen(&authority, NODE_2, address),
    );
    let to = b.local_address().unwrap();
    tokio::spawn(echo(b));
    let connection = call(&a, to, NODE_2).await.unwrap();
    assert_eq!(connection.peer(), Some(NODE_2));
    let answer = connection
        .request(Bytes::from("hello"), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer, "spiffe://carillon/node/1 says hello");
}

#[tokio::test]
async fn two_members_know_each_other() {
    talk_on("127.0.0.1:0").await;
}

#[tokio::test]
async fn two_members_know_each_other_by_ipv6() {
    talk_on("[::1]:0").await;
}

#[tokio::test]
async fn a_member_that_answers_for_another_is_refused() {
    let authority = Authority::generate("test").unwrap();
    let (a, b) = (
        listen(&authority, NODE_1, "127.0.0.1:0"),
        listen(&authority, NODE_2, "127.0.0.1:0"),
    );
    let to = b.local_address().unwrap();
    tokio::spawn(echo(b));
    let refused = call(&a, to, Peer::Node(NodeId(3)))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("expected spiffe://carillon/node/3, got spiffe://carillon/node/2"),
        "{refused}"
    );
    let refused = a.connect(to, Peer::Media(2), Service::Media).await;
    assert!(refused.is_err(), "a control node is no media server");
}

#[tokio::test]
async fn a_member_of_another_cluster_is_refused_by_both_sides() {
    let (ours, theirs) = (
        Authority::generate("a").unwrap(),
        Authority::generate("b").unwrap(),
    );
    let (a, b) = (
        listen(&ours, NODE_1, "127.0.0.1:0"),
        listen(&theirs, NODE_2, "127.0.0.1:0"),
    );
    let to = b.local_address().unwrap();
    let served = tokio::spawn(echo(b));
    assert!(call(&a, to, NODE_2).await.is_err());
    assert!(served.await.unwrap().is_err());
}

#[tokio::test]
async fn a_caller_whose_certificate_another_authority_signed_gets_no_answer() {
    let (ours, theirs) = (
        Authority::generate("a").unwrap(),
        Authority::generate("b").unwrap(),
    );
    let listener = listen(&ours, NODE_2, "127.0.0.1:0");
    let to = listener.local_address().unwrap();
    let served = tokio::spawn(echo(listener));
    // It trusts the right authority, and holds a certificate of the wrong one.
    let forged = {
        let key = carillon_link::KeyRequest::generate().unwrap();
        let certificate = theirs.certify(NODE_1, key.request_der()).unwrap();
        key.complete(NODE_1, certificate, ours.certificate_der().to_vec())
            .unwrap()
    };
    let caller = Endpoint::caller(to, Arc::new(forged)).unwrap();
    // In TLS 1.3 the caller is done first, and learns on its first request that it was refused.
    if let Ok(connection) = call(&caller, to, NODE_2).await {
        assert!(
            connection
                .request(Bytes::from("hello"), LIMIT)
                .await
                .is_err()
        );
    }
    assert!(served.await.unwrap().is_err());
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_before_it_is_sent_and_before_it_is_kept() {
    let authority = Authority::generate("test").unwrap();
    let (a, b) = (
        listen(&authority, NODE_1, "127.0.0.1:0"),
        listen(&authority, Peer::Media(7), "127.0.0.1:0"),
    );
    let to = b.local_address().unwrap();
    let served = tokio::spawn(async move {
        let connection = b.accept().await.unwrap().establish().await.unwrap();
        let Incoming::Both(_sender, mut receiver) = connection.accept().await.unwrap() else {
            panic!("two ways were opened");
        };
        receiver.recv().await
    });
    let connection = a.connect(to, Peer::Media(7), Service::Media).await.unwrap();
    let (mut sender, _receiver) = connection.open().await.unwrap();
    let too_long = sender.send(Bytes::from(vec![0; 2 * 1024 * 1024])).await;
    assert!(matches!(too_long, Err(LinkError::TooLong { .. })));
    sender.send(Bytes::from("fits")).await.unwrap();
    assert_eq!(served.await.unwrap().unwrap(), Some(Bytes::from("fits")));
}

#[tokio::test]
async fn a_request_to_a_silent_peer_ends_in_time() {
    let authority = Authority::generate("test").unwrap();
    let (a, b) = (
        listen(&authority, NODE_1, "127.0.0.1:0"),
        listen(&authority, NODE_2, "127.0.0.1:0"),
    );
    let to = b.local_address().unwrap();
    let silent = tokio::spawn(async move {
        let connection = b.accept().await.unwrap().establish().await.unwrap();
        connection.closed().await;
    });
    let connection = call(&a, to, NODE_2).await.unwrap();
    let answer = connection
        .request(Bytes::from("hello"), Duration::from_millis(50))
        .await;
    assert!(matches!(answer, Err(LinkError::Timeout)), "{answer:?}");
    connection.close("done");
    silent.await.unwrap();
}

#[tokio::test]
async fn a_restarted_member_ends_its_old_connections_at_once() {
    let authority = Authority::generate("test").unwrap();
    let identity = credentials(&authority, NODE_2);
    let a = listen(&authority, NODE_1, "127.0.0.1:0");
    let (to, connection) = {
        // It has a runtime of its own, which dies with it: nobody says goodbye.
        let identity = identity.clone();
        let (told, address) = std::sync::mpsc::channel();
        let (die, dying) = tokio::sync::oneshot::channel::<()>();
        let process = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let b = Endpoint::bind(
                    "127.0.0.1:0".parse().unwrap(),
                    identity,
                    &[Service::Cluster],
                )
                .unwrap();
                told.send(b.local_address().unwrap()).unwrap();
                let served = echo(b.clone());
                tokio::select! { _ = served => {}, _ = dying => {} }
            });
            runtime.shutdown_background();
        });
        let to = address.recv().unwrap();
        let connection = call(&a, to, NODE_2).await.unwrap();
        connection
            .request(Bytes::from("hello"), LIMIT)
            .await
            .unwrap();
        die.send(()).unwrap();
        tokio::task::spawn_blocking(move || process.join().unwrap())
            .await
            .unwrap();
        (to, connection)
    };
    let again = tokio::time::timeout(LIMIT, async {
        loop {
            match Endpoint::bind(to, identity.clone(), &[Service::Cluster]) {
                Ok(endpoint) => return endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let _again = again.await.expect("the port is free");
    let began = std::time::Instant::now();
    connection.closed().await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it took {:?}",
        began.elapsed()
    );
}

#[test]
fn a_server_certificate_is_good_for_its_names_and_addresses() {
    use rustls::client::verify_server_name;
    use rustls::server::ParsedCertificate;
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

    let authority = Authority::generate("test").unwrap();
    let names = ["pbx.example".to_owned()];
    let server = authority.server_certificate(
        &names,
        &["192.0.2.1".parse().unwrap(), "::1".parse().unwrap()],
    );
    let server = server.unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(server.chain_pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(chain.len(), 2);
    assert!(PrivateKeyDer::from_pem_slice(server.key_pem.as_bytes()).is_ok());
    let leaf = ParsedCertificate::try_from(&chain[0]).unwrap();
    for name in ["pbx.example", "192.0.2.1", "::1"] {
        verify_server_name(&leaf, &ServerName::try_from(name).unwrap()).unwrap();
    }
    assert!(verify_server_name(&leaf, &ServerName::try_from("other.example").unwrap()).is_err());
}

#[test]
fn an_authority_and_a_member_come_back_from_what_was_kept() {
    let authority = Authority::generate("test").unwrap();
    let restored = Authority::restore(authority.record().clone()).unwrap();
    assert_eq!(restored.fingerprint(), authority.fingerprint());
    let member = restored.credentials(NODE_1).unwrap();
    let again = Credentials::restore(member.record().clone()).unwrap();
    assert_eq!(again.peer(), NODE_1);
    assert_eq!(again.fingerprint(), authority.fingerprint());
    assert!(
        !format!("{:?}", authority.record()).contains("48"),
        "no octet of a key is printed"
    );
}
