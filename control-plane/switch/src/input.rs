use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use carillon_model::{
    CallId, CallRecord, Command, EndpointId, Epoch, Event, Flow, MediaServerId, NodeId, Outcome,
    SipListener, State, TrunkId,
};
use carillon_protocol::{Reply, Request};
use carillon_sip::Method;

use crate::{Distrust, Holding, Leaving, Server, ServerWay};

/// What happens to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// One message came in: a datagram, or what the framing of a stream cut out. Where `flow.node` is another node,
    /// that node has forwarded it.
    Received { flow: Flow, bytes: Bytes },
    /// The replicated state is this now; the events say what has changed since the last time. A commit's state comes
    /// before its [`Input::Proposed`].
    State {
        state: Arc<State>,
        events: Vec<Event>,
    },
    /// What became of an [`Output::Propose`]. Each gets exactly one answer.
    Proposed {
        proposal: u64,
        outcome: Result<Outcome, ProposalFailure>,
    },
    /// A media server says something.
    Media { server: MediaServerId, reply: Reply },
    /// A media server can be talked to, again perhaps: its sessions are described to it anew.
    MediaServerUp(MediaServerId),
    /// A media server cannot be talked to: its calls are moved to others.
    MediaServerDown(MediaServerId),
    /// Another control node answers.
    NodeUp(NodeId),
    /// Another control node does not answer.
    NodeDown(NodeId),
    /// Whether this node has a leader that a quorum follows. Taken for true until said otherwise.
    Quorum(bool),
    /// What was last sent by this flow did not arrive.
    SendFailed { flow: Flow },
    /// The connection of a flow is gone.
    FlowClosed { flow: Flow },
    /// An [`Output::Forward`] did not reach its node.
    ForwardFailed { flow: Flow, bytes: Bytes },
    /// The answer to [`Output::Resolve`]: the ways to a server, the best first.
    Resolved {
        server: Server,
        ways: Vec<ServerWay>,
    },
    /// The machine has what an [`Output::HoldAddress`] asked for, and listens there.
    AddressHeld(Holding),
    /// The machine cannot have it.
    AddressFailed(Holding),
    /// The answer to [`Output::ProbeAddress`].
    AddressProbed { address: IpAddr, taken: bool },
    /// The answer to [`Output::DropAddress`]: the machine does not have the address.
    AddressDropped(IpAddr),
    /// Begin nothing new: others are handed what comes.
    Drain,
    /// Give all calls away. What still comes is handed to whoever has them.
    Leave,
}

/// Why a proposal has no outcome. It may still be committed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProposalFailure {
    /// There is no quorum.
    NoQuorum,
    /// Nothing was heard in time.
    Timeout,
    /// Too many proposals are on their way.
    Overload,
}

/// What a node wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Put these octets on the wire, at the node of the flow.
    Send { flow: Flow, bytes: Bytes },
    /// A message for another node: it arrives there as [`Input::Received`] with the same flow.
    Forward {
        node: NodeId,
        flow: Flow,
        bytes: Bytes,
    },
    /// Ask the quorum.
    Propose { proposal: u64, command: Command },
    /// Tell a media server.
    Media {
        server: MediaServerId,
        request: Request,
    },
    /// Look a carrier's server up.
    Resolve { server: Server },
    /// End a connection.
    Close { flow: Flow },
    /// Give this machine an address and listen there; answered once each time. It is said again while it holds: of what it
    /// is told nothing more, the machine lets go by itself.
    HoldAddress {
        holding: Holding,
        /// Where phones expect somebody.
        listeners: Vec<SipListener>,
        /// Tell the neighbours.
        announce: bool,
        /// An order that comes later is not carried out.
        until_ms: u64,
    },
    /// Take an address away from this machine, if it has it.
    DropAddress { address: IpAddr },
    /// Ask the neighbours whether one of them has an address.
    ProbeAddress { address: IpAddr },
    /// Something for logs and metrics.
    Notice(Notice),
}

/// Something for logs and metrics. Addresses and numbers in it are for the debug level only.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A request of a peer has its final answer.
    Answered { method: Method, code: u16 },
    /// A call began here.
    CallStarted { call: CallId },
    /// The caller hears something for the first time, or an answer.
    CallProgressed {
        call: CallId,
        code: u16,
        since_start_ms: u64,
    },
    /// A call of this node is over, and its record is committed.
    CallRecorded { record: Box<CallRecord> },
    /// A call was refused, or went ahead, without the quorum's word.
    CallUnprotected { call: CallId, refused: bool },
    /// A contact was accepted by this node alone, without the quorum's word.
    RegistrationUnprotected { endpoint: EndpointId },
    /// Another node owns a call that was ours.
    CallFenced { call: CallId },
    /// A stored call of this node goes on here after a start of the process.
    CallResumed { call: CallId },
    /// A call of a node that has gone goes on here.
    CallTakenOver { call: CallId },
    /// Another heir was faster.
    ClaimLost { call: CallId },
    /// The process was stopped for longer than its lease lasts.
    Stopped { for_ms: u64 },
    /// A stored call of this node could not be read.
    CallUnreadable { call: CallId },
    /// Octets that are no message, or a message that nobody may send.
    Malformed { flow: Flow, why: String },
    /// Credentials did not hold.
    Distrusted { flow: Flow, why: Distrust },
    /// A source has failed too often and is not listened to for a while.
    SourceBlocked { flow: Flow, for_ms: u64 },
    /// A contact answers OPTIONS or does not, other than before.
    Reachable {
        endpoint: EndpointId,
        reachable: bool,
    },
    /// This node registers a trunk from now on.
    TrunkOwned { trunk: TrunkId, epoch: Epoch },
    /// A carrier answers OPTIONS or does not, other than before.
    TrunkReachable { trunk: TrunkId, reachable: bool },
    /// A carrier has answered for good, or has said nothing.
    TrunkAnswered {
        trunk: TrunkId,
        registered: bool,
        code: Option<u16>,
    },
    /// The phones of a call have left a media server for another one.
    MediaMoved {
        call: CallId,
        from: Option<MediaServerId>,
        why: Leaving,
        /// Since the loss was noticed, or since the move began.
        after_ms: u64,
    },
    /// A phone does not accept the address that its media has moved to: it is not heard for the time being.
    CallOneWay { call: CallId },
    /// This machine has a floating address from now on.
    AddressHeld {
        home: NodeId,
        epoch: Epoch,
        own: bool,
    },
    /// This machine cannot have a floating address.
    AddressFailed { home: NodeId },
    /// A floating address has left this machine in peace.
    AddressGivenBack { home: NodeId },
    /// A media server does not take a session, or does not answer.
    MediaRefused { call: CallId, server: MediaServerId },
}
