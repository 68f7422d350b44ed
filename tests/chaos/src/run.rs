//! One run: the load begins, things break and are mended, and in the end the records are counted.

use anyhow::{Context, Result};
use carillon_sip::Method;
use carillon_testkit::eventually;
use carillon_testkit::wait::talk_for;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::Options;
use crate::evidence::Evidence;
use crate::injection;
use crate::invariants;
use crate::kind::Kind;
use crate::load::{Couple, Order, Report, Standing, Visitors, Who, Write, Writers};
use crate::record::{self, Records};
use crate::stage::{FIRST_LINE, Stage};

/// From a fault to the requests that phones send in their calls: by then an heir has called them.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// Between the cure and the next fault.
const CALM: Duration = Duration::from_secs(2);
/// A call ends with its phones, and its record is written.
const RECORDED_WITHIN: Duration = Duration::from_secs(90);
/// A trunk that lost its owner has another by then, on a busy machine too.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

struct Run {
    stage: Stage,
    standing: Vec<Standing>,
    visitors: Visitors,
    writers: Writers,
    idle: Vec<carillon_testkit::Phone>,
    draw: Draw,
}

/// A small generator, so that a failing run can be repeated.
struct Draw(u64);

impl Draw {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }
}

/// Plays a whole run; what was seen, and which promises are broken.
pub(crate) fn run(options: &Options) -> Result<(Vec<Evidence>, Vec<String>)> {
    let chosen = match options.only.as_slice() {
        [] => Kind::ALL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let mut run = Run::begin(options, chosen.contains(&Kind::DiskFull))?;
    let mut records = options.record.as_deref().map(Records::begin).transpose()?;
    let (mut seen, mut broken) = (Vec::new(), Vec::new());
    let until = Instant::now() + Duration::from_secs(60 * options.minutes);
    let mut bag = Vec::new();
    while Instant::now() < until && options.faults.is_none_or(|most| seen.len() < most) {
        if bag.is_empty() {
            bag.clone_from(&chosen);
        }
        let kind = bag.swap_remove(run.draw.below(bag.len()));
        let evidence = run
            .injure(kind)
            .with_context(|| format!("fault {}, {}", seen.len() + 1, kind.name()))?;
        let mut breaches = invariants::judge(&evidence);
        if !options.without_times {
            breaches.extend(invariants::judge_times(&evidence));
        }
        println!("{}", record::line(&evidence, breaches.len()));
        if let Some(records) = &mut records {
            records.add(&evidence, run.stage.nodes_by_address(), &breaches)?;
        }
        for breach in &breaches {
            println!("  {breach}");
        }
        let number = seen.len() + 1;
        broken.extend(
            breaches
                .into_iter()
                .map(|breach| format!("fault {number}, {}: {breach}", kind.name())),
        );
        seen.push(evidence);
    }
    broken.extend(run.end()?);
    Ok((seen, broken))
}

impl Run {
    fn begin(options: &Options, small_disk: bool) -> Result<Self> {
        let lines = 2 * (options.calls + options.visitors) + options.idle_lines;
        let stage = Stage::up(lines, small_disk)?;
        let nodes = u32::try_from(stage.nodes())?;
        let node = |number: u32| usize::try_from(1 + number % nodes);
        let couple = |number: u32| -> Result<Couple> {
            let first = FIRST_LINE + 2 * number;
            let nodes = [node(number)?, node(number + number / nodes)?];
            Couple::register(&stage.lab, stage.host, [first, first + 1], nodes)
        };
        let mut standing = Vec::new();
        for number in 0..options.calls {
            let mut couple = couple(number)?;
            let connected = couple.connect()?;
            anyhow::ensure!(connected.is_ok(), "{} is not connected", couple.name);
            standing.push(Standing::begin(couple));
        }
        let visiting: Vec<Couple> = (0..options.visitors)
            .map(|number| couple(options.calls + number))
            .collect::<Result<_>>()?;
        let mut idle = Vec::new();
        for number in 0..options.idle_lines {
            let line = FIRST_LINE + 2 * (options.calls + options.visitors) + number;
            let account = carillon_testkit::Account::of(line);
            let local = std::net::SocketAddr::from((stage.host, 0));
            let mut phone =
                carillon_testkit::Phone::udp(&account, local, stage.lab.sip(node(number)?)?)?;
            phone.register_for(3_600)?;
            idle.push(phone);
        }
        let visitors = Visitors::begin(visiting, Duration::from_millis(options.visit_every_ms));
        let writers = Writers::begin(&stage.lab, Duration::from_millis(options.write_every_ms))?;
        println!(
            "{} calls stand, {} couples call each other, {lines} lines are registered",
            standing.len(),
            options.visitors
        );
        Ok(Self {
            stage,
            standing,
            visitors,
            writers,
            idle,
            draw: Draw(options.seed),
        })
    }

    /// One fault, from its beginning until all is well again.
    fn injure(&mut self, kind: Kind) -> Result<Evidence> {
        self.stage.until_healed()?;
        self.connect_all()?;
        let contacts_before = self.stage.contacts(1)?;
        let draw = &mut self.draw;
        let fault = injection::inject(kind, &mut self.stage, |sides| draw.below(sides))?;
        let (at, victims) = (fault.at, fault.victims.clone());
        let led = match kind.leaves_survivors() {
            true => self.stage.led_by_others(&victims, at + ASKED_AFTER),
            false => None,
        };
        if kind.spares_calls() {
            fault.last_until(ASKED_AFTER);
            self.ask_all()?;
        } else {
            self.standing
                .iter()
                .try_for_each(|call| call.order(Order::Forget))?;
        }
        fault.last_until(kind.lasts());
        let running = self.stage.running(&victims)?;
        let lifted = Instant::now();
        fault.lift(&mut self.stage)?;
        self.stage.until_healed()?;
        talk_for(CALM);
        if kind.leaves_nobody() {
            self.until_somebody_talks(lifted);
        }
        self.until_the_carrier_has_one_contact();
        let calls = self.reports()?;
        let evidence = Evidence {
            kind,
            at,
            lifted,
            victims,
            running,
            led,
            calls,
            writes: self.writes_since(at),
            missing_writes: self.missing_writes()?,
            contacts_before,
            contacts_after: self.stage.contacts(1)?,
            attempts: self
                .visitors
                .attempts()
                .into_iter()
                .filter(|attempt| attempt.began >= at)
                .collect(),
            registered: self.stage.carrier.account(),
            carrier_contacts: self.stage.carrier.contacts(),
        };
        Ok(evidence)
    }

    /// Whoever calls after a power cut is connected some time; if not, that is judged.
    fn until_somebody_talks(&self, lifted: Instant) {
        let talked = || {
            let attempts = self.visitors.attempts();
            let mut later = attempts.iter().filter(|attempt| attempt.ended >= lifted);
            later.any(|attempt| attempt.failure.is_none())
        };
        let waited = eventually("somebody talks", RECORDED_WITHIN, || {
            Ok(talked().then_some(()))
        });
        if let Err(error) = waited {
            println!("  {error:#}");
        }
    }

    /// An owner takes the contacts of former ones away when it registers; if it does not, that is judged.
    fn until_the_carrier_has_one_contact(&self) {
        let waited = eventually("the carrier has one contact", SETTLED_WITHIN, || {
            Ok((self.stage.carrier.contacts().len() == 1).then_some(()))
        });
        if let Err(error) = waited {
            println!("  {error:#}");
        }
    }

    /// One phone of each call asks something: every third hangs up, the others ask for the same session again.
    fn ask_all(&mut self) -> Result<()> {
        for (index, call) in self.standing.iter().enumerate() {
            let who = [Who::Caller, Who::Callee][self.draw.below(2)];
            let method = if index % 3 == 0 {
                Method::Bye
            } else {
                Method::Invite
            };
            call.order(Order::Ask(who, method))?;
        }
        Ok(())
    }

    /// Calls that are over begin anew, and gaps are counted from now on.
    fn connect_all(&mut self) -> Result<()> {
        for call in &self.standing {
            call.order(Order::Connect)?;
        }
        eventually("all calls stand", Duration::from_secs(90), || {
            let reports = self.reports()?;
            let over: Vec<&str> = reports
                .iter()
                .filter(|report| report.ended.is_some())
                .map(|report| report.name.as_str())
                .collect();
            if over.is_empty() {
                return Ok(Some(()));
            }
            for call in &self.standing {
                call.order(Order::Connect)?;
            }
            anyhow::bail!("not {over:?}")
        })?;
        talk_for(CALM);
        self.reports().map(|_| ())
    }

    fn reports(&mut self) -> Result<Vec<Report>> {
        for call in &self.standing {
            call.order(Order::Report)?;
        }
        self.standing.iter_mut().map(Standing::report).collect()
    }

    fn writes_since(&self, at: Instant) -> Vec<Write> {
        let writes = self.writers.writes().into_iter();
        writes.filter(|write| write.began >= at).collect()
    }

    /// Of all nodes: acknowledged names that one of them does not have.
    fn missing_writes(&self) -> Result<Vec<String>> {
        let acknowledged: BTreeSet<String> = self
            .writers
            .writes()
            .into_iter()
            .filter(Write::is_acknowledged)
            .map(|write| write.name)
            .collect();
        let mut missing = Vec::new();
        for node in 1..=self.stage.nodes() {
            // A follower is a moment behind; what is lost never comes.
            let left = eventually("what was acknowledged is there", CALM * 5, || {
                let stored = Writers::stored(self.stage.api(node))?;
                Ok(acknowledged.is_subset(&stored).then_some(()))
            });
            if left.is_err() {
                let stored = Writers::stored(self.stage.api(node))?;
                let lost = acknowledged.difference(&stored);
                missing.extend(lost.map(|name| format!("{name} (at node {node})")));
            }
        }
        Ok(missing)
    }

    /// Everybody hangs up, and the records are counted.
    fn end(mut self) -> Result<Vec<String>> {
        self.stage.until_healed()?;
        self.writers.finish()?;
        for call in &self.standing {
            call.order(Order::Ask(Who::Caller, Method::Bye))?;
        }
        let mut answered: BTreeMap<(String, String), usize> = BTreeMap::new();
        for report in self.reports()? {
            *answered.entry(report.lines).or_default() += report.connected;
        }
        for attempt in self.visitors.finish()? {
            if attempt.failure.is_none() {
                *answered.entry(attempt.lines).or_default() += 1;
            }
        }
        // Calls that a power cut has left without phones end by themselves.
        let complete = eventually("all calls have their records", RECORDED_WITHIN, || {
            let recorded = self.stage.answered(1)?;
            Ok(invariants::judge_records(&answered, &recorded)
                .is_empty()
                .then_some(()))
        });
        let mut broken = Vec::new();
        if complete.is_err() {
            broken = invariants::judge_records(&answered, &self.stage.answered(1)?);
        }
        let total: usize = answered.values().sum();
        println!(
            "{total} calls were answered, {} idle lines stayed",
            self.idle.len()
        );
        Ok(broken)
    }
}
