//! Responses to our requests.

use carillon_sip::transaction::ClientKey;
use carillon_sip::{Message, Method};

use crate::LegId;
use crate::call::Call;
use crate::carrier::is_challenge;
use crate::fork::ForkState;
use crate::leg::{Purpose, Sent};
use crate::session_timer::raised_interval_s;
use crate::turn::Turn;

/// INVITEs with another session timer that one contact is sent at most (RFC 4028 §7.3).
const MAX_INTERVAL_TRIES: u32 = 3;

impl Call {
    pub(crate) fn responded(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        key: ClientKey,
        response: &Message,
    ) {
        let (Some(code), Ok(cseq)) = (response.status(), response.cseq()) else {
            return;
        };
        let is_answer = (200..300).contains(&code) && cseq.method == Method::Invite;
        let fork = self.fork_of(leg, key, cseq.number, &cseq.method);
        if code < 200 {
            if let Some(index) = fork {
                self.fork_proceeds(turn, index, code, response);
            }
            return;
        }
        if is_challenge(code) && self.answers_challenge(turn, leg, key, response) {
            return;
        }
        if let Some(sent) = self.take_sent(leg, key) {
            self.request_finished(turn, leg, sent, code, Some(response));
            return;
        }
        if is_answer && self.acknowledge_again(response) {
            return;
        }
        let Some(index) = fork else { return };
        if is_answer {
            self.fork_answers(turn, index, response);
        } else {
            self.fork_refuses(turn, index, code, Some(response));
        }
    }

    /// A request of ours that got no final response counts as refused (RFC 3261 §8.1.3.1).
    pub(crate) fn request_failed(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        key: ClientKey,
        code: u16,
    ) {
        if let Some(sent) = self.take_sent(leg, key) {
            self.request_finished(turn, leg, sent, code, None);
            return;
        }
        let invite =
            |fork: &crate::fork::Fork| fork.invite.as_ref().is_some_and(|invite| invite.key == key);
        if let Some(index) = self
            .forks
            .iter()
            .position(|fork| fork.leg == leg && invite(fork))
        {
            self.fork_refuses(turn, index, code, None);
        }
    }

    /// The fork whose INVITE a response is about; by its number where an heir has no transaction.
    fn fork_of(&self, leg: LegId, key: ClientKey, cseq: u32, method: &Method) -> Option<usize> {
        self.forks.iter().position(|fork| {
            let invite = fork
                .invite
                .as_ref()
                .filter(|_| fork.leg == leg && *method == Method::Invite);
            invite.is_some_and(|invite| invite.key == key || invite.cseq == cseq)
        })
    }

    fn take_sent(&mut self, leg: LegId, key: ClientKey) -> Option<Sent> {
        let take = |list: &mut Vec<Sent>| {
            let at = list.iter().position(|sent| sent.key == key)?;
            Some(list.remove(at))
        };
        if let Some(at) = self
            .strays
            .iter()
            .position(|stray| stray.sent.iter().any(|sent| sent.key == key))
        {
            let mut stray = self.strays.remove(at);
            return take(&mut stray.sent);
        }
        let of_fork = self.forks.iter_mut().find_map(|fork| take(&mut fork.sent));
        of_fork.or_else(|| take(&mut self.legs.get_mut(&leg)?.sent))
    }

    fn request_finished(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        sent: Sent,
        code: u16,
        response: Option<&Message>,
    ) {
        match sent.purpose {
            Purpose::Exchange => self.exchange_finished(turn, leg, &sent, code, response),
            Purpose::Refresh => self.refresh_finished(turn, leg, &sent, code, response),
            Purpose::Relay => self.relay_finished(turn, leg, &sent, code, response),
            Purpose::Probe => self.probed(turn, leg, code, response),
            Purpose::Prack | Purpose::Cancel | Purpose::Bye => {}
        }
    }

    /// A fork ends without an answer.
    pub(crate) fn fork_refuses(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        code: u16,
        response: Option<&Message>,
    ) {
        let fork = &mut self.forks[index];
        match fork.state {
            ForkState::Over { .. } | ForkState::Won | ForkState::Waiting => return,
            // The answer to the CANCEL's INVITE has come here after all.
            ForkState::Questioned { .. } => return,
            ForkState::Reinvited { .. } => return self.question_refused(turn, index, code),
            ForkState::Trying { .. }
            | ForkState::Proceeding
            | ForkState::Unwanted { .. }
            | ForkState::Cancelled { .. } => {}
        }
        let raised = response
            .filter(|_| code == 422 && fork.is_alive())
            .and_then(|response| {
                let invite = fork
                    .invite
                    .as_mut()
                    .filter(|invite| invite.cseq < MAX_INTERVAL_TRIES)?;
                invite.session_interval_s = raised_interval_s(response, invite.session_interval_s)?;
                Some(())
            });
        let leg = fork.leg;
        let wanted = fork.is_alive();
        fork.early.clear();
        fork.heard.clear();
        let challenged = response.filter(|_| wanted && is_challenge(code));
        let answers =
            challenged.is_some_and(|response| self.takes_challenge(turn, index, response));
        let fork = &mut self.forks[index];
        if raised.is_some() || answers {
            self.invite_later(turn, index);
            return;
        }
        fork.state = ForkState::Over { code };
        (fork.invite, fork.question) = (None, None);
        if self
            .media
            .early
            .as_ref()
            .is_some_and(|early| early.leg == leg)
        {
            self.media.early = None;
            self.put_media();
        }
        self.judge_forks(turn);
    }
}
