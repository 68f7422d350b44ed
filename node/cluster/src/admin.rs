//! What the cluster keeps about itself, beside the application's state and by the same log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use carillon_link::{AuthorityRecord, NodeId, Peer, Subject};
use serde::{Deserialize, Serialize};

/// Tokens that may be outstanding at once.
const MAX_TOKENS: usize = 64;

/// An entry of the log, decoded.
#[derive(Serialize, Deserialize)]
pub(crate) enum Body<C> {
    Command(C),
    Admin(Admin),
}

/// A command of the cluster to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Admin {
    /// The first command of a cluster.
    Found {
        cluster: String,
        authority: AuthorityRecord,
        node: NodeId,
        name: String,
        address: SocketAddr,
    },
    /// Lets whoever shows the token join, once.
    AddToken { hash: [u8; 32], expires_ms: u64 },
    /// Uses a token. The same key may use it again, and gets the same number.
    Enrol {
        hash: [u8; 32],
        key: [u8; 32],
        subject: Subject,
    },
    /// The node's certificate is worth nothing from now on.
    Expel { node: NodeId },
    /// Every node is to compute its digest here.
    Mark,
    /// The leader's digest at a mark.
    Compare { index: u64, digest: u64 },
}

/// What became of an administrative command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AdminOutcome {
    Done,
    Enrolled(Peer),
    Refused(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    expires_ms: u64,
    used: Option<([u8; 32], Peer)>,
}

/// A member that was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its name for people.
    pub name: String,
    /// The address that it gave when it joined.
    pub address: SocketAddr,
}

/// What the cluster knows about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administration {
    /// The cluster's name.
    pub cluster: String,
    pub(crate) authority: Option<AuthorityRecord>,
    last_node: u64,
    last_media: u32,
    tokens: BTreeMap<[u8; 32], TokenRecord>,
    /// Control nodes that were let in and not removed.
    pub nodes: BTreeMap<NodeId, MemberRecord>,
    /// Media servers that were let in.
    pub media: BTreeMap<u32, MemberRecord>,
    /// Control nodes that were removed. Their numbers are never used again.
    pub expelled: BTreeSet<NodeId>,
}

impl Administration {
    pub(crate) fn apply(&mut self, now_ms: u64, admin: &Admin) -> AdminOutcome {
        match admin {
            Admin::Found {
                cluster,
                authority,
                node,
                name,
                address,
            } => {
                if self.authority.is_some() {
                    return AdminOutcome::Refused("the cluster is founded already".to_owned());
                }
                self.cluster.clone_from(cluster);
                self.authority = Some(authority.clone());
                self.last_node = self.last_node.max(node.0);
                self.nodes.insert(*node, record(name, *address));
                AdminOutcome::Done
            }
            Admin::AddToken { hash, expires_ms } => self.add_token(now_ms, *hash, *expires_ms),
            Admin::Enrol { hash, key, subject } => self.enrol(now_ms, hash, *key, subject),
            Admin::Expel { node } => {
                self.nodes.remove(node);
                self.expelled.insert(*node);
                AdminOutcome::Done
            }
            Admin::Mark | Admin::Compare { .. } => AdminOutcome::Done,
        }
    }

    fn add_token(&mut self, now_ms: u64, hash: [u8; 32], expires_ms: u64) -> AdminOutcome {
        self.tokens.retain(|_, token| token.expires_ms > now_ms);
        if self.tokens.len() >= MAX_TOKENS {
            return AdminOutcome::Refused(format!("{MAX_TOKENS} join tokens are outstanding"));
        }
        let token = TokenRecord {
            expires_ms,
            used: None,
        };
        self.tokens.entry(hash).or_insert(token);
        AdminOutcome::Done
    }

    fn enrol(
        &mut self,
        now_ms: u64,
        hash: &[u8; 32],
        key: [u8; 32],
        subject: &Subject,
    ) -> AdminOutcome {
        let refused = |why: &str| AdminOutcome::Refused(why.to_owned());
        let Some(token) = self.tokens.get_mut(hash) else {
            return refused("this join token is not known here");
        };
        if token.expires_ms <= now_ms {
            return refused("this join token has expired");
        }
        if let Some((used_by, peer)) = token.used {
            return match used_by == key {
                true => AdminOutcome::Enrolled(peer),
                false => refused("this join token has been used"),
            };
        }
        let peer = match subject {
            Subject::Node { name, address } => {
                self.last_node += 1;
                let id = NodeId(self.last_node);
                self.nodes.insert(id, record(name, *address));
                Peer::Node(id)
            }
            Subject::Media { name, address } => {
                self.last_media += 1;
                self.media.insert(self.last_media, record(name, *address));
                Peer::Media(self.last_media)
            }
        };
        token.used = Some((key, peer));
        AdminOutcome::Enrolled(peer)
    }
}

fn record(name: &str, address: SocketAddr) -> MemberRecord {
    MemberRecord {
        name: name.to_owned(),
        address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: [u8; 32] = [1; 32];

    fn node(name: &str) -> Subject {
        Subject::Node {
            name: name.to_owned(),
            address: "127.0.0.1:7400".parse().unwrap(),
        }
    }

    fn enrol(key: u8, name: &str) -> Admin {
        Admin::Enrol {
            hash: HASH,
            key: [key; 32],
            subject: node(name),
        }
    }

    fn with_token(expires_ms: u64) -> Administration {
        let mut administration = Administration::default();
        let token = Admin::AddToken {
            hash: HASH,
            expires_ms,
        };
        assert_eq!(administration.apply(0, &token), AdminOutcome::Done);
        administration
    }

    #[test]
    fn a_token_lets_one_key_in_and_gives_it_the_same_number_again() {
        let mut administration = with_token(100);
        let first = AdminOutcome::Enrolled(Peer::Node(NodeId(1)));
        assert_eq!(administration.apply(1, &enrol(7, "b")), first);
        assert_eq!(administration.apply(2, &enrol(7, "b")), first);
        assert!(matches!(
            administration.apply(3, &enrol(8, "c")),
            AdminOutcome::Refused(_)
        ));
        assert_eq!(administration.nodes.len(), 1);
    }

    #[test]
    fn an_expired_or_unknown_token_lets_nobody_in() {
        let mut administration = with_token(100);
        assert!(matches!(
            administration.apply(100, &enrol(7, "b")),
            AdminOutcome::Refused(_)
        ));
        assert!(matches!(
            Administration::default().apply(0, &enrol(7, "b")),
            AdminOutcome::Refused(_)
        ));
    }

    #[test]
    fn the_number_of_a_removed_node_is_not_used_again() {
        let mut administration = with_token(100);
        administration.apply(1, &enrol(7, "b"));
        administration.apply(2, &Admin::Expel { node: NodeId(1) });
        let token = Admin::AddToken {
            hash: [2; 32],
            expires_ms: 100,
        };
        administration.apply(3, &token);
        let again = Admin::Enrol {
            hash: [2; 32],
            key: [9; 32],
            subject: node("b"),
        };
        assert_eq!(
            administration.apply(4, &again),
            AdminOutcome::Enrolled(Peer::Node(NodeId(2)))
        );
    }
}
