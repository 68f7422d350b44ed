use bytes::Bytes;
use carillon_sip::dialog::EarlyDialogs;
use carillon_sip::transaction::ClientKey;
use carillon_sip::{Message, Method, Text};
use serde::{Deserialize, Serialize};

use crate::carrier::Credentials;
use crate::leg::{Purpose, Sent};
use crate::offer::Negotiation;
use crate::{LegId, Target};

/// A contact of the callee, from the INVITE that it is sent to the final response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fork {
    pub(crate) leg: LegId,
    pub(crate) target: Target,
    /// Nothing gets there any more: its connection has gone with its node.
    #[serde(default)]
    pub(crate) lost: bool,
    pub(crate) state: ForkState,
    /// The answer to its challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Credentials>,
    /// The INVITE that is out: what an heir needs to cancel it or to acknowledge its answer.
    pub(crate) invite: Option<SentInvite>,
    /// What is asked of a phone that rang towards a node that has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<Box<Question>>,
    pub(crate) early: EarlyDialogs,
    pub(crate) heard: Vec<Heard>,
    /// PRACKs and CANCELs without final response.
    pub(crate) sent: Vec<Sent>,
    pub(crate) sdp: Negotiation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ForkState {
    /// Another contact of the same instance is tried first.
    Waiting,
    /// Nothing has come back.
    Trying { next_at_ms: Option<u64> },
    /// A provisional response has.
    Proceeding,
    /// It rang towards a node that has gone; it is being silenced, and asked then whether it had answered.
    Questioned { ask_at_ms: u64 },
    /// The re-INVITE that asks is out.
    Reinvited { until_ms: u64 },
    /// To be cancelled as soon as a provisional response comes (RFC 3261 §9.1).
    Unwanted { give_up_at_ms: u64 },
    /// The CANCEL is out.
    Cancelled { give_up_at_ms: u64 },
    /// A final response, or none in time.
    Over { code: u16 },
    /// It answered first and is the callee's leg now.
    Won,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SentInvite {
    pub(crate) key: ClientKey,
    pub(crate) cseq: u32,
    pub(crate) call_id: Text,
    pub(crate) local_tag: Text,
    /// It has an offer; without one the contact makes it.
    pub(crate) offers: bool,
    pub(crate) message: Message,
    pub(crate) session_interval_s: u32,
}

/// The INVITE by which a phone rang, while the re-INVITE that asks whether it has answered is in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) rang: SentInvite,
    /// Times that it could not say.
    pub(crate) unclear: u8,
}

/// What provisional responses of one early dialog have said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) remote_tag: Text,
    /// RSeq of the last reliable one (RFC 3262 §4).
    pub(crate) rseq: Option<u32>,
    pub(crate) sdp: Option<Bytes>,
}

impl SentInvite {
    /// Once it is answered, all that is needed of the message is where it went: for an answer of another phone.
    pub(crate) fn forget_details(&mut self) {
        if let Some(uri) = self.message.uri().cloned() {
            self.message = Message::request(Method::Invite, uri);
        }
    }
}

impl Fork {
    pub(crate) fn new(leg: LegId, target: Target) -> Self {
        Self {
            leg,
            target,
            lost: false,
            state: ForkState::Waiting,
            credentials: None,
            invite: None,
            question: None,
            early: EarlyDialogs::default(),
            heard: Vec::new(),
            sent: Vec::new(),
            sdp: Negotiation::default(),
        }
    }

    /// The INVITE by which it rings or rang: a CANCEL and the ACK of its answer go by that.
    pub(crate) fn first_invite(&self) -> Option<&SentInvite> {
        let question = self.question.as_ref().map(|question| &question.rang);
        question.or(self.invite.as_ref())
    }

    /// It may still answer.
    pub(crate) fn is_alive(&self) -> bool {
        match self.state {
            ForkState::Waiting
            | ForkState::Trying { .. }
            | ForkState::Proceeding
            | ForkState::Questioned { .. }
            | ForkState::Reinvited { .. } => true,
            ForkState::Unwanted { .. }
            | ForkState::Cancelled { .. }
            | ForkState::Over { .. }
            | ForkState::Won => false,
        }
    }

    /// Nothing is to be expected of it any more.
    pub(crate) fn is_quiet(&self) -> bool {
        let over = match self.state {
            ForkState::Waiting | ForkState::Over { .. } | ForkState::Won => true,
            ForkState::Trying { .. }
            | ForkState::Proceeding
            | ForkState::Questioned { .. }
            | ForkState::Reinvited { .. }
            | ForkState::Unwanted { .. }
            | ForkState::Cancelled { .. } => false,
        };
        // Where an answer has come, the one to a CANCEL says nothing new. It may never come: that of a former owner's INVITE
        // goes to the address in its Via.
        over && self.sent.iter().all(|sent| sent.purpose == Purpose::Cancel)
    }

    /// Contacts of the same device are tried one after another.
    pub(crate) fn same_instance(&self, other: &Self) -> bool {
        self.target.instance.is_some() && self.target.instance == other.target.instance
    }

    /// What is known of the early dialog with this tag.
    pub(crate) fn heard_from(&mut self, remote_tag: &str) -> &mut Heard {
        let at = self
            .heard
            .iter()
            .position(|heard| heard.remote_tag == *remote_tag)
            .unwrap_or_else(|| {
                self.heard.push(Heard {
                    remote_tag: remote_tag.into(),
                    rseq: None,
                    sdp: None,
                });
                self.heard.len() - 1
            });
        &mut self.heard[at]
    }
}
