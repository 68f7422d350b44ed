use carillon_model::{NodeId, SipListener};
use carillon_switch::Registrar;
use serde::Deserialize;

/// Calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CallsConfig {
    /// A call that cannot be committed in time goes ahead and is marked as unprotected; else it is refused.
    pub(crate) without_quorum: bool,
    /// Host of the From and To that the callee sees; the node's address if nothing is said.
    pub(crate) domain: Option<String>,
    /// Interval of session timers (RFC 4028) that we propose, and the smallest that we take.
    pub(crate) session_interval_s: u32,
    pub(crate) min_session_interval_s: u32,
    /// Silence of a party after which its media counts as lost; 0 does not watch.
    pub(crate) rtp_timeout_s: u32,
    /// Such a call is ended.
    pub(crate) rtp_timeout_ends_call: bool,
    /// The callee is told the caller's identity (P-Asserted-Identity).
    pub(crate) asserted_identity: bool,
    /// Calls that this node owns at a time.
    pub(crate) max_calls: usize,
}

impl Default for CallsConfig {
    fn default() -> Self {
        let policy = carillon_call::Policy::default();
        Self {
            without_quorum: true,
            domain: policy.domain,
            session_interval_s: policy.session_interval_s,
            min_session_interval_s: policy.min_session_interval_s,
            rtp_timeout_s: policy.rtp_timeout_ms.map_or(0, seconds),
            rtp_timeout_ends_call: policy.rtp_timeout_ends_call,
            asserted_identity: policy.asserted_identity,
            max_calls: carillon_switch::Limits::default().calls,
        }
    }
}

/// Registrations.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RegistrarConfig {
    pub(crate) min_expires_s: u32,
    pub(crate) max_expires_s: u32,
    pub(crate) default_expires_s: u32,
    /// A contact that cannot be committed in time is accepted for a minute at most, by this node alone, and merged when
    /// the quorum is back; else it is refused.
    pub(crate) without_quorum: bool,
    /// Between two OPTIONS to each contact; 0 asks none.
    pub(crate) qualify_interval_s: u32,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        let registrar = Registrar::default();
        Self {
            min_expires_s: registrar.min_expires_s,
            max_expires_s: registrar.max_expires_s,
            default_expires_s: registrar.default_expires_s,
            without_quorum: true,
            qualify_interval_s: 0,
        }
    }
}

/// RFC 4028 §5.
const LEAST_SESSION_INTERVAL_S: u32 = 90;

impl CallsConfig {
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.min_session_interval_s < LEAST_SESSION_INTERVAL_S {
            problems.push(format!(
                "calls.min_session_interval_s: must be {LEAST_SESSION_INTERVAL_S} or more"
            ));
        }
        if self.session_interval_s < self.min_session_interval_s {
            problems.push(
                "calls.session_interval_s: must not be less than calls.min_session_interval_s"
                    .to_owned(),
            );
        }
        if self.max_calls == 0 {
            problems.push("calls.max_calls: must be 1 or more".to_owned());
        }
        problems
    }
}

impl RegistrarConfig {
    pub(super) fn problems(&self) -> Vec<String> {
        let ordered = 0 < self.min_expires_s
            && self.min_expires_s <= self.default_expires_s
            && self.default_expires_s <= self.max_expires_s;
        if ordered {
            return Vec::new();
        }
        vec![
            "registrar.min_expires_s, default_expires_s, max_expires_s: must be 1 or more and in this order"
                .to_owned(),
        ]
    }
}

/// What the switch of this node is told.
pub(crate) fn switch(
    calls: &CallsConfig,
    registrar: &RegistrarConfig,
    node: NodeId,
    listeners: &[SipListener],
) -> carillon_switch::Config {
    let mut switch = carillon_switch::Config::new(node, listeners.to_vec());
    switch.unprotected_calls = calls.without_quorum;
    switch.policy.domain.clone_from(&calls.domain);
    switch.policy.session_interval_s = calls.session_interval_s;
    switch.policy.min_session_interval_s = calls.min_session_interval_s;
    switch.policy.rtp_timeout_ms = millis(calls.rtp_timeout_s);
    switch.policy.rtp_timeout_ends_call = calls.rtp_timeout_ends_call;
    switch.policy.asserted_identity = calls.asserted_identity;
    switch.limits.calls = calls.max_calls;
    switch.registrar.min_expires_s = registrar.min_expires_s;
    switch.registrar.max_expires_s = registrar.max_expires_s;
    switch.registrar.default_expires_s = registrar.default_expires_s;
    switch.registrar.without_quorum = registrar.without_quorum;
    switch.qualify_interval_ms = millis(registrar.qualify_interval_s);
    switch
}

fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}

/// 0 seconds stand for never.
fn millis(seconds: u32) -> Option<u64> {
    (seconds != 0).then(|| 1000 * u64::from(seconds))
}
