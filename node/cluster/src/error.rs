//! Why something could not be done by the cluster.

/// Why a command has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// There was no leader with a quorum in time. The command was not applied and will not be.
    #[error("the cluster has no quorum")]
    Unavailable,
    /// The command may have been applied, or may still be.
    #[error("the cluster did not answer in time; the command may have been applied")]
    Unknown,
    /// Too many commands of this node are waiting.
    #[error("too many commands are waiting")]
    Overloaded,
    /// This node has stopped or left duty.
    #[error("this node is out of duty: {0}")]
    Stopped(String),
}

/// Why a linearizable read was not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader confirmed itself with a quorum in time.
    #[error("the cluster has no quorum")]
    Unavailable,
    /// This node has stopped or left duty.
    #[error("this node is out of duty: {0}")]
    Stopped(String),
}

/// Why the set of control nodes was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The cluster refused.
    #[error("{0}")]
    Refused(String),
    /// No leader did it in time.
    #[error("not done in time: {0}")]
    Timeout(String),
}
