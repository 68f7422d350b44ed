//! INFO (RFC 6086) from one side to the other: DTMF digits of phones that send them so.

use carillon_sip::transaction::ClientKey;
use carillon_sip::{Message, Method, Name};
use serde::{Deserialize, Serialize};

use crate::accept::Declined;
use crate::asked::{Asked, Received};
use crate::best::q850_of;
use crate::bye::Why;
use crate::call::Call;
use crate::leg::{Purpose, Release, Sent};
use crate::turn::Turn;
use crate::{LegId, MAX_BODY_OCTETS, MAX_RELAYED, Output};

/// An INFO on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Relay {
    pub(crate) from: LegId,
    pub(crate) asked: Asked,
    pub(crate) key: ClientKey,
}

impl Call {
    pub(crate) fn informed(&mut self, turn: &mut Turn<'_>, leg: LegId, received: &Received) {
        let Some(other) = self.other(leg) else {
            self.decline(leg, received, &Declined::new(480));
            return;
        };
        let Some(asked) = Asked::of(received) else {
            self.decline(leg, received, &Declined::new(400));
            return;
        };
        if received.message.body.len() > MAX_BODY_OCTETS {
            self.decline(leg, received, &Declined::new(513));
            return;
        }
        let sent = if self.relays.len() < MAX_RELAYED {
            self.send(turn, other, Method::Info, Purpose::Relay, |message| {
                copy_body(&received.message, message)
            })
        } else {
            None
        };
        match sent {
            Some(key) => self.relays.push(Relay {
                from: leg,
                asked,
                key,
            }),
            None => self.decline(
                leg,
                received,
                &Declined::new(500).with(Name::RetryAfter, "1"),
            ),
        }
    }

    pub(crate) fn relay_finished(
        &mut self,
        turn: &mut Turn<'_>,
        leg: LegId,
        sent: &Sent,
        code: u16,
        response: Option<&Message>,
    ) {
        let Some(at) = self.relays.iter().position(|relay| relay.key == sent.key) else {
            return;
        };
        let relay = self.relays.remove(at);
        let passed = match code {
            401 | 402 | 403 | 407 | 408 | 481 | 503 => 500,
            _ => code,
        };
        let mut message = relay.asked.plain_response(passed);
        if let Some(response) = response.filter(|response| response.body.len() <= MAX_BODY_OCTETS) {
            copy_body(response, &mut message);
        }
        let Relay { from, asked, .. } = relay;
        self.put(Output::Respond {
            leg: from,
            transaction: asked.transaction,
            message,
            flow: asked.flow,
        });
        if code == 481 {
            if let Some(side) = self.legs.get_mut(&leg) {
                side.release = Release::Done;
            }
            self.finish(
                turn,
                Why::answered(q850_of(code), "The other side has gone"),
            );
        }
    }
}

/// The body with what says of what kind it is; nothing else of one side is for the other's eyes.
fn copy_body(from: &Message, to: &mut Message) {
    for name in [
        Name::ContentType,
        Name::ContentDisposition,
        Name::extension("Info-Package"),
    ] {
        if let Some(value) = from.headers.get(name.clone()) {
            to.headers.push(name, value.clone());
        }
    }
    to.body = from.body.clone();
}
