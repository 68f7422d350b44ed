//! Calls that are established before the faults and are to outlast them, each in a thread of its own.

use anyhow::{Context, Result};
use carillon_sip::Method;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Answer, Couple, Ended, Who};

/// How long a call that stands may take to say how it is: longer than a request in it is repeated.
const REPORTS_WITHIN: Duration = Duration::from_secs(60);

/// What a call is told to do.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// One of the phones asks something, of which the next report tells.
    Ask(Who, Method),
    /// Says how it is, once nothing is asked any more.
    Report,
    /// Calls again, if it is over or forgotten.
    Connect,
    /// Both phones lose power.
    Forget,
}

/// How a call is.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) lines: (String, String),
    pub(crate) connected: usize,
    /// Why it is over, if it is.
    pub(crate) ended: Option<Ended>,
    /// The longest gap in what the caller heard, and in what the callee heard.
    pub(crate) gaps: [Duration; 2],
    /// Whether both have heard something since the report before.
    pub(crate) hear_each_other: bool,
    pub(crate) answers: Vec<Answer>,
}

impl Report {
    pub(crate) fn longest_gap(&self) -> Duration {
        self.gaps.into_iter().max().unwrap_or_default()
    }

    /// The call is over, and neither of its phones wanted that.
    pub(crate) fn is_dropped(&self) -> bool {
        self.ended.is_some_and(|why| why != Ended::HungUp)
    }
}

/// A call that stands.
#[derive(Debug)]
pub(crate) struct Standing {
    orders: Sender<Order>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Standing {
    pub(crate) fn begin(couple: Couple) -> Self {
        let (orders, ordered) = channel();
        let (report, reports) = channel();
        let thread = thread::spawn(move || stand(couple, &ordered, &report));
        Self {
            orders,
            reports,
            thread: Some(thread),
        }
    }

    pub(crate) fn order(&self, order: Order) -> Result<()> {
        self.orders
            .send(order)
            .map_err(|_| anyhow::anyhow!("a call's thread has ended"))
    }

    /// How it is, once it has been ordered to report.
    pub(crate) fn report(&mut self) -> Result<Report> {
        match self.reports.recv_timeout(REPORTS_WITHIN) {
            Ok(report) => Ok(report),
            Err(_) => match self.thread.take().filter(JoinHandle::is_finished) {
                Some(thread) => match thread.join() {
                    Ok(Ok(())) => Err(anyhow::anyhow!("a call's thread has ended")),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(anyhow::anyhow!("a call's thread has panicked")),
                },
                None => Err(anyhow::anyhow!("a call does not report")),
            },
        }
    }
}

fn stand(mut couple: Couple, orders: &Receiver<Order>, reports: &Sender<Report>) -> Result<()> {
    let mut due = false;
    loop {
        match orders.try_recv() {
            Ok(Order::Ask(who, method)) => couple.party(who).ask(method)?,
            Ok(Order::Report) => due = true,
            Ok(Order::Connect) => {
                if couple.ended().is_some() {
                    // What it failed of is seen in the report: there is no call.
                    let _ = couple.connect()?;
                    couple.gaps();
                }
            }
            Ok(Order::Forget) => couple.forget(),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
        let name = couple.name.clone();
        couple.tick().with_context(|| format!("the call {name}"))?;
        if due && !couple.is_asking() {
            due = false;
            if reports.send(report(&mut couple)).is_err() {
                return Ok(());
            }
        }
    }
}

fn report(couple: &mut Couple) -> Report {
    let mut answers = std::mem::take(&mut couple.caller.answers);
    answers.append(&mut couple.callee.answers);
    Report {
        name: couple.name.clone(),
        lines: couple.lines(),
        connected: couple.connected,
        ended: couple.ended(),
        gaps: couple.gaps(),
        hear_each_other: couple.hear_each_other(),
        answers,
    }
}
