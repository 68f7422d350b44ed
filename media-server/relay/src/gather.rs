//! One answer of the server out of one answer of each thread.

use std::collections::VecDeque;

use carillon_protocol::{INVENTORY_PAGE, Reply, Request};

/// Questions to all threads that a control node may have open at once.
pub(crate) const MAX_QUESTIONS: usize = 64;

/// The open questions of one conversation, in their order. Each thread answers in order too.
#[derive(Debug)]
pub(crate) struct Gather {
    threads: usize,
    questions: VecDeque<Vec<Option<Reply>>>,
}

/// Whether a request is for all threads.
pub(crate) const fn is_for_all(request: &Request) -> bool {
    match request {
        Request::Put(_) | Request::Release { .. } => false,
        Request::Inventory { .. } | Request::Drain | Request::Resume | Request::Ping => true,
    }
}

impl Gather {
    pub(crate) const fn new(threads: usize) -> Self {
        Self {
            threads,
            questions: VecDeque::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.questions.len() >= MAX_QUESTIONS
    }

    /// A question goes out to all threads.
    pub(crate) fn ask(&mut self) {
        self.questions
            .push_back((0..self.threads).map(|_| None).collect());
    }

    /// What a thread says; returns what the server says, if that is known now.
    pub(crate) fn hear(&mut self, thread: usize, reply: Reply) -> Option<Reply> {
        match &reply {
            Reply::Inventory { .. } | Reply::Pong(_) => {}
            Reply::Established { .. }
            | Reply::Refused { .. }
            | Reply::Released { .. }
            | Reply::Event(_) => {
                return Some(reply);
            }
        }
        let open = self
            .questions
            .iter_mut()
            .find(|answers| answers[thread].is_none())?;
        open[thread] = Some(reply);
        if self.questions.front()?.iter().any(Option::is_none) {
            return None;
        }
        self.questions
            .pop_front()?
            .into_iter()
            .flatten()
            .reduce(merge)
    }
}

fn merge(a: Reply, b: Reply) -> Reply {
    match (a, b) {
        (Reply::Pong(mut a), Reply::Pong(b)) => {
            a.sessions += b.sessions;
            a.free_port_pairs = a.free_port_pairs.min(b.free_port_pairs);
            a.draining |= b.draining;
            Reply::Pong(a)
        }
        (
            Reply::Inventory { mut sessions, more },
            Reply::Inventory {
                sessions: others,
                more: others_more,
            },
        ) => {
            sessions.extend(others);
            sessions.sort_unstable_by_key(|held| held.session);
            let cut = sessions.len() > INVENTORY_PAGE;
            sessions.truncate(INVENTORY_PAGE);
            Reply::Inventory {
                sessions,
                more: more || others_more || cut,
            }
        }
        // All threads answer the same question in the same kind.
        (a, _) => a,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use carillon_protocol::{Held, Load, SessionId};

    use super::*;

    fn pong(sessions: u32) -> Reply {
        Reply::Pong(Load {
            sessions,
            free_port_pairs: 9,
            draining: false,
        })
    }

    fn page(calls: impl IntoIterator<Item = u128>, more: bool) -> Reply {
        let held = |call| Held {
            session: SessionId { call, part: 0 },
            epoch: 1,
            revision: 1,
            silent_ms: 0,
        };
        Reply::Inventory {
            sessions: calls.into_iter().map(held).collect(),
            more,
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions_whatever_thread_is_faster() {
        let mut gather = Gather::new(2);
        gather.ask();
        gather.ask();
        assert_eq!(gather.hear(0, pong(1)), None);
        assert_eq!(gather.hear(0, pong(2)), None);
        assert_eq!(gather.hear(1, pong(10)), Some(pong(11)));
        assert_eq!(gather.hear(1, pong(20)), Some(pong(22)));
        assert_eq!(
            gather.hear(1, pong(5)),
            None,
            "an answer without a question"
        );
    }

    #[test]
    fn pages_are_merged_in_order_and_the_rest_is_for_the_next_page() {
        let mut gather = Gather::new(2);
        gather.ask();
        gather.hear(0, page((0..2000).step_by(2), false));
        let merged = gather.hear(1, page((1..2000).step_by(2), false)).unwrap();
        assert_eq!(merged, page(0..1000, true));
    }
}
