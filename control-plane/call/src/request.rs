//! Requests of the phones.

use carillon_sip::{Message, Method, Name, NameAddr};

use crate::accept::{Declined, required};
use crate::asked::Received;
use crate::call::Call;
use crate::compose::{SDP, abilities};
use crate::phase::Phase;
use crate::turn::Turn;
use crate::{Carrier, LegId};

impl Call {
    pub(crate) fn requested(&mut self, turn: &mut Turn<'_>, leg: LegId, received: Received) {
        let Some(method) = received.message.method().cloned() else {
            return;
        };
        if matches!(self.phase, Phase::New) {
            if leg == LegId::CALLER && method == Method::Invite {
                self.invited(turn, received);
            } else {
                self.decline(leg, &received, &Declined::new(481));
            }
            return;
        }
        if self.legs.contains_key(&leg) {
            self.requested_in_dialog(turn, leg, &method, &received);
        } else if let Some(index) = self.forks.iter().position(|fork| fork.leg == leg) {
            self.requested_early(turn, index, &method, &received);
        } else {
            self.decline(leg, &received, &Declined::new(481));
        }
    }

    fn requested_in_dialog(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        method: &Method,
        received: &Received,
    ) {
        let Some(side) = self.legs.get_mut(&leg) else {
            return;
        };
        if let Some(response) = side.repeated(&received.message) {
            self.respond(leg, received, response);
            return;
        }
        let from = received.message.from().ok();
        if from.as_ref().and_then(NameAddr::tag).unwrap_or_default() != &*side.dialog.remote_tag {
            // Another dialog of the same INVITE: a proxy forked it, and we have ended this one.
            self.decline(leg, received, &Declined::new(481));
            return;
        }
        if side.dialog.accept(&received.message).is_err() {
            self.decline(leg, received, &Declined::new(500));
            return;
        }
        // A phone that comes by another connection or port is reached there from now on.
        if received.flow.transport == side.flow.transport {
            side.flow = received.flow;
            side.lost = false;
        }
        if matches!(self.phase, Phase::Ending { .. } | Phase::Ended) && *method != Method::Bye {
            self.decline(leg, received, &Declined::new(481));
            return;
        }
        if let Err(declined) = required(&received.message, side.runs_timers()) {
            self.decline(leg, received, &declined);
            return;
        }
        match method {
            Method::Invite => self.reinvited(turn, leg, received),
            Method::Bye => self.bye_received(turn, leg, received),
            Method::Update => self.updated(turn, leg, received),
            Method::Prack => self.pracked(turn, leg, received),
            Method::Info => self.informed(turn, leg, received),
            Method::Options => self.asked_for_abilities(leg, received),
            // Not requests that an answer exists for.
            Method::Ack | Method::Cancel => {}
            Method::Register
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish => self.decline(leg, received, &not_allowed(405)),
            Method::Extension(_) => self.decline(leg, received, &not_allowed(501)),
        }
    }

    /// A contact that rings may say that it moves or that it does not want the call; nothing else before it answers.
    fn requested_early(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        method: &Method,
        received: &Received,
    ) {
        let fork = &mut self.forks[index];
        let leg = fork.leg;
        let tag = received
            .message
            .from()
            .ok()
            .and_then(|from| from.tag().map(str::to_owned))
            .unwrap_or_default();
        let Some(dialog) = fork.early.with_remote_tag(&tag) else {
            self.decline(leg, received, &Declined::new(481));
            return;
        };
        if dialog.accept(&received.message).is_err() {
            self.decline(leg, received, &Declined::new(500));
            return;
        }
        match method {
            Method::Update if received.message.body.is_empty() => {
                dialog.refresh_target(&received.message);
                self.asked_for_abilities(leg, received);
            }
            Method::Options => self.asked_for_abilities(leg, received),
            Method::Bye => {
                self.respond(
                    leg,
                    received,
                    Message::response_to(&received.message, 200, ""),
                );
                self.fork_gives_up(turn, index);
            }
            Method::Invite => self.decline(leg, received, &Declined::new(491)),
            Method::Update | Method::Info => self.decline(leg, received, &Declined::new(488)),
            Method::Ack | Method::Cancel => {}
            Method::Prack => self.decline(leg, received, &Declined::new(481)),
            Method::Register
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish => self.decline(leg, received, &not_allowed(405)),
            Method::Extension(_) => self.decline(leg, received, &not_allowed(501)),
        }
    }

    /// 200 that says what we can do (RFC 3261 §11.2), or that a target has been noted.
    fn asked_for_abilities(&mut self, leg: LegId, received: &Received) {
        let mut response = Message::response_to(&received.message, 200, "");
        let contact = match self.legs.get(&leg) {
            Some(side) => Some(side.dialog.contact.clone()),
            None => self
                .forks
                .iter()
                .find(|fork| fork.leg == leg)
                .and_then(|fork| {
                    fork.invite
                        .as_ref()?
                        .message
                        .headers
                        .get(Name::Contact)
                        .cloned()
                }),
        };
        if let Some(contact) = contact {
            response.headers.push(Name::Contact, contact);
        }
        let carrier = match self.legs.get(&leg) {
            Some(side) => side.carrier.as_deref(),
            None => {
                let mut forks = self.forks.iter();
                let fork = forks.find(|fork| fork.leg == leg);
                fork.and_then(|fork| fork.target.carrier.as_deref())
            }
        };
        let timers = carrier.is_none_or(Carrier::runs_timers);
        abilities(&mut response, true, timers);
        response.headers.push(Name::Accept, SDP);
        self.respond(leg, received, response);
    }
}

fn not_allowed(code: u16) -> Declined {
    Declined::new(code).with(Name::Allow, crate::compose::ALLOW)
}
