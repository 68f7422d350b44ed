use std::collections::BTreeMap;

use carillon_sip::Method;

use crate::{Notice, Output};

/// What a node has done since its process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests of peers that got their final answer.
    pub answered: BTreeMap<RequestClass, u64>,
    /// REGISTERs answered with 200.
    pub registrations: u64,
    /// Credentials that did not hold.
    pub distrusted: u64,
    /// Times that a source was blocked.
    pub blocked: u64,
    /// Calls begun.
    pub calls: u64,
    /// Calls ended with a record.
    pub records: u64,
    /// Calls refused or gone ahead without the quorum's word.
    pub unprotected: u64,
    /// Contacts accepted without the quorum's word.
    pub unprotected_registrations: u64,
    /// Calls lost to another owner.
    pub fenced: u64,
    /// Calls taken over from nodes that have gone.
    pub taken_over: u64,
    /// Calls that another heir took first.
    pub claims_lost: u64,
    /// Calls whose media went to another media server.
    pub media_moved: u64,
    /// Calls in which a phone did not accept that.
    pub one_way: u64,
    /// Floating addresses of other nodes that this one took.
    pub addresses_taken_over: u64,
    /// Floating addresses that this machine could not have.
    pub addresses_failed: u64,
    /// Messages handed to another node.
    pub forwarded: u64,
    /// Octets that were no message, and messages that nobody may send.
    pub malformed: u64,
    /// Messages that belonged to nothing and were dropped.
    pub dropped: u64,
}

/// A method, every one unknown to us as `OTHER`, and the first digit of a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestClass {
    /// The method.
    pub method: &'static str,
    /// 2 to 6.
    pub class: u16,
}

/// What a node holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that this node owns.
    pub calls: usize,
    /// Transactions, both ways.
    pub transactions: usize,
    /// Commands on their way to the quorum.
    pub proposals: usize,
    /// Records of ended calls that are not committed yet.
    pub records: usize,
}

impl Counters {
    pub(crate) fn count(&mut self, output: &Output) {
        match output {
            Output::Forward { .. } => self.forwarded += 1,
            Output::Notice(notice) => self.count_notice(notice),
            Output::Send { .. }
            | Output::Propose { .. }
            | Output::Media { .. }
            | Output::Resolve { .. }
            | Output::HoldAddress { .. }
            | Output::DropAddress { .. }
            | Output::ProbeAddress { .. }
            | Output::Close { .. } => {}
        }
    }

    fn count_notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Answered { method, code } => {
                let class = RequestClass {
                    method: label(method),
                    class: code / 100,
                };
                *self.answered.entry(class).or_default() += 1;
                self.registrations += u64::from(*method == Method::Register && class.class == 2);
            }
            Notice::CallStarted { .. } => self.calls += 1,
            Notice::CallRecorded { .. } => self.records += 1,
            Notice::CallUnprotected { .. } => self.unprotected += 1,
            Notice::RegistrationUnprotected { .. } => self.unprotected_registrations += 1,
            Notice::CallFenced { .. } => self.fenced += 1,
            Notice::CallTakenOver { .. } => self.taken_over += 1,
            Notice::MediaMoved { .. } => self.media_moved += 1,
            Notice::CallOneWay { .. } => self.one_way += 1,
            Notice::AddressHeld { own, .. } => self.addresses_taken_over += u64::from(!own),
            Notice::AddressFailed { .. } => self.addresses_failed += 1,
            Notice::ClaimLost { .. } => self.claims_lost += 1,
            Notice::Malformed { .. } => self.malformed += 1,
            Notice::Distrusted { .. } => self.distrusted += 1,
            Notice::SourceBlocked { .. } => self.blocked += 1,
            Notice::CallProgressed { .. }
            | Notice::CallResumed { .. }
            | Notice::CallUnreadable { .. }
            | Notice::Stopped { .. }
            | Notice::Reachable { .. }
            | Notice::AddressGivenBack { .. }
            | Notice::TrunkOwned { .. }
            | Notice::TrunkAnswered { .. }
            | Notice::TrunkReachable { .. }
            | Notice::MediaRefused { .. } => {}
        }
    }
}

fn label(method: &Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Register => "REGISTER",
        Method::Options => "OPTIONS",
        Method::Info => "INFO",
        Method::Prack => "PRACK",
        Method::Update => "UPDATE",
        Method::Refer => "REFER",
        Method::Subscribe => "SUBSCRIBE",
        Method::Notify => "NOTIFY",
        Method::Message => "MESSAGE",
        Method::Publish => "PUBLISH",
        Method::Extension(_) => "OTHER",
    }
}
