//! Messages between nodes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use carillon_cluster::testing::Registers;
use carillon_cluster::{NodeId, TellError};

use super::nodes::{eventually, three};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_asks_another_and_knows_who_answers() {
    let nodes = three::<Registers>().await;
    nodes[1].cluster.register("echo", |from, body| async move {
        Bytes::from(format!("{from}: {}", String::from_utf8_lossy(&body)))
    });
    let (asked, to) = (&nodes[2].cluster, nodes[1].id());
    let answer = asked
        .request(to, "echo", Bytes::from("hello"), LIMIT)
        .await
        .unwrap();
    assert_eq!(answer, "3: hello");
    assert!(
        asked
            .request(to, "nobody", Bytes::new(), LIMIT)
            .await
            .is_err()
    );
    assert!(
        asked
            .request(NodeId(9), "echo", Bytes::new(), LIMIT)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_a_node_arrive_in_order() {
    let nodes = three::<Registers>().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = heard.clone();
    nodes[0].cluster.register("sip", move |from, body| {
        hear.lock().unwrap().push((from, body));
        std::future::ready(Bytes::new())
    });
    let expected: Vec<_> = (0..500)
        .map(|n| (nodes[1].id(), Bytes::from(n.to_string())))
        .collect();
    for (_, body) in &expected {
        nodes[1]
            .cluster
            .send(nodes[0].id(), "sip", body.clone())
            .unwrap();
    }
    eventually("all arrive", || heard.lock().unwrap().len() == 500).await;
    assert_eq!(*heard.lock().unwrap(), expected);
    let nowhere = nodes[1].cluster.send(NodeId(9), "sip", Bytes::new());
    assert_eq!(nowhere, Err(TellError::UnknownNode));
}
