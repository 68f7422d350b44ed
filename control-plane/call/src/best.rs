//! Which of many refusals the caller gets.

use carillon_model::CallStatus;

use crate::accept::Declined;
use crate::call::Call;
use crate::fork::{Fork, ForkState};
use crate::phase::Phase;
use crate::turn::Turn;

impl Call {
    /// Looks what is left of the forks: another way to the same phone is tried, a call that nobody can answer any more
    /// is refused.
    pub(crate) fn judge_forks(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.phase, Phase::Ringing { .. }) {
            return;
        }
        self.try_next_flows(turn);
        let codes: Vec<u16> = self.forks.iter().filter_map(code_of).collect();
        let declined_for_all = codes.iter().any(|code| *code >= 600);
        if declined_for_all || !self.forks.iter().any(Fork::is_alive) {
            let outside = self.forks.iter().any(|fork| fork.target.carrier.is_some());
            let code = match outside {
                true => last_word(&codes),
                false => best_response(&codes),
            };
            self.refuse_caller(turn, &Declined::new(code));
        }
    }

    /// After a flow that does not work comes the next one of the same phone (RFC 5626 §5.3); a phone that has refused
    /// is not asked again.
    fn try_next_flows(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.forks.len() {
            let Some(code) = code_of(&self.forks[index]) else {
                continue;
            };
            let Some(next) = self.next_of_instance(index) else {
                continue;
            };
            // Another carrier may take what one cannot.
            let elsewhere = code == 488 && self.forks[index].target.carrier.is_some();
            if !is_unreachable(code) && !elsewhere {
                self.forks[next].state = ForkState::Over { code };
            } else if !self.forks.iter().any(|fork| {
                fork.same_instance(&self.forks[index])
                    && fork.is_alive()
                    && fork.state != ForkState::Waiting
            }) {
                self.invite_later(turn, next);
            }
        }
    }
}

fn code_of(fork: &Fork) -> Option<u16> {
    match fork.state {
        ForkState::Over { code } => Some(code),
        ForkState::Waiting
        | ForkState::Trying { .. }
        | ForkState::Proceeding
        | ForkState::Questioned { .. }
        | ForkState::Reinvited { .. }
        | ForkState::Unwanted { .. }
        | ForkState::Cancelled { .. }
        | ForkState::Won => None,
    }
}

fn is_unreachable(code: u16) -> bool {
    matches!(code, 408 | 430 | 503)
}

/// RFC 3261 §16.7 step 6, for a caller that has one callee and does not know of its phones: a refusal for everywhere
/// first, then what a person has said, then what a phone has said, then that nobody is there.
fn best_response(codes: &[u16]) -> u16 {
    codes
        .iter()
        .copied()
        .min_by_key(|code| rank(*code))
        .map_or(480, told)
}

/// What a carrier says of a number is so; what it says of us is for nobody but us.
fn last_word(codes: &[u16]) -> u16 {
    match codes.last() {
        Some(300..=399 | 401 | 402 | 403 | 407 | 420..=424 | 494) | None => 503,
        Some(code) => *code,
    }
}

fn rank(code: u16) -> u16 {
    match code {
        600.. => 0,
        486 => 1,
        480 => 3,
        400..500 if told(code) != 480 => 2,
        500..600 if told(code) != 480 => 4,
        _ => 5,
    }
}

/// What the caller gets of a phone's refusal. What it cannot act on is that nobody is there.
pub(crate) fn told(code: u16) -> u16 {
    match code {
        // Not ours to follow, and challenges that the caller cannot answer.
        300..400 | 401 | 402 | 403 | 407 => 480,
        // Between the phone and us only.
        420..424 | 494 => 500,
        // A phone that has gone, or does not know its own address any more.
        404 | 408 | 410 | 430 | 481 | 487 | 502 | 503 | 504 | 604 => 480,
        400..700 => code,
        _ => 480,
    }
}

pub(crate) fn status_of(code: u16) -> CallStatus {
    match code {
        486 | 600 | 603 => CallStatus::Busy,
        487 => CallStatus::Cancelled,
        _ => CallStatus::Failed,
    }
}

/// The Q.850 cause of a SIP code (RFC 3398 §8.2.6.1).
pub(crate) fn q850_of(code: u16) -> u8 {
    match code {
        200 | 487 => 16,
        401 | 402 | 403 | 407 | 603 => 21,
        404 | 604 => 1,
        405 | 501 => 63,
        406 | 415 | 416 | 420 | 421 | 423 | 513 => 127,
        408 | 504 => 102,
        410 => 22,
        413 | 414 => 127,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        485 => 1,
        486 | 600 => 17,
        488 | 606 => 65,
        502 => 38,
        505 => 127,
        _ => 41,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_gets_the_most_telling_refusal() {
        for (codes, told) in [
            (&[486, 603][..], 603),
            (&[486, 480], 486),
            (&[503, 486, 408], 486),
            (&[480, 488], 488),
            (&[500, 404], 500),
            (&[503, 408], 480),
            (&[302], 480),
            (&[422], 500),
            (&[], 480),
        ] {
            assert_eq!(best_response(codes), told, "{codes:?}");
        }
    }
}
