use super::Cluster;
use crate::{
    Command, ControlNode, Epoch, LeaseCommand, NodeCommand, NodeId, NodeState, Outcome,
    WHILE_NODE_LIVES, address_resource,
};

fn node(id: u64, floating: &str) -> ControlNode {
    ControlNode {
        id: NodeId(id),
        name: format!("n{id}"),
        address: [10, 77, 1, id as u8].into(),
        sip: Vec::new(),
        floating: Some(floating.parse().unwrap()),
        api: None,
        cluster: ([10, 77, 1, id as u8], 7400).into(),
        state: NodeState::Active,
        epoch: Epoch(0),
        version: String::new(),
    }
}

impl Cluster {
    fn float(&mut self, id: u64, floating: &str) -> Outcome {
        let node = node(id, floating);
        self.apply(Command::Node(NodeCommand::Start(node))).outcome
    }

    fn take(&mut self, resource: String, holder: u64, ttl_ms: u64) {
        let holder = NodeId(holder);
        self.apply(Command::Lease(LeaseCommand::Claim {
            resource,
            holder,
            ttl_ms,
        }));
    }
}

#[test]
fn an_address_is_one_node_s_and_never_that_of_a_machine() {
    let mut cluster = Cluster::new();
    assert_eq!(
        cluster.float(1, "10.77.1.101/24"),
        Outcome::Started(Epoch(1))
    );
    for taken in ["10.77.1.101/24", "10.77.1.1/24"] {
        let Outcome::Rejected(refused) = cluster.float(2, taken) else {
            panic!("{taken} is taken");
        };
        assert_eq!(refused.field, "floating");
    }
    // A new process of the same node says the same again.
    assert_eq!(
        cluster.float(1, "10.77.1.101/24"),
        Outcome::Started(Epoch(2))
    );
    assert_eq!(
        cluster.float(2, "10.77.1.102/24"),
        Outcome::Started(Epoch(1))
    );
    let home = cluster.state.home_of([10, 77, 1, 102].into());
    assert_eq!(home.map(|home| home.id), Some(NodeId(2)));
}

#[test]
fn an_address_is_held_for_as_long_as_its_holder_lives() {
    let mut cluster = Cluster::new();
    cluster.float(1, "10.77.1.101/24");
    cluster.float(2, "10.77.1.102/24");
    cluster.lives(2);
    let home = NodeId(1);
    cluster.take(address_resource(home), 2, WHILE_NODE_LIVES);
    let holder = |cluster: &Cluster| cluster.state.address_holder(home, cluster.at.now_ms);
    assert_eq!(holder(&cluster), Some(NodeId(2)));
    cluster.at.now_ms += 900;
    assert_eq!(holder(&cluster), None);
}
