//! Both sides change the session at once (RFC 3261 §14.1).

use carillon_sip::dialog::Role;

use crate::turn::Turn;

/// Collisions that one request survives.
pub(crate) const MAX_COLLISIONS: u8 = 4;

/// How long to wait after a 491: longer for the side whose Call-ID it is, so that both do not collide again.
pub(crate) fn wait_ms(turn: &mut Turn<'_>, role: Role) -> u64 {
    match role {
        Role::Uac => turn.between_ms(2_100, 4_000),
        Role::Uas => turn.between_ms(0, 2_000),
    }
}

/// Retry-After of a 500 for a second INVITE before the first is answered (RFC 3261 §14.2).
pub(crate) fn retry_after_s(turn: &mut Turn<'_>) -> u64 {
    turn.between_ms(0, 10_000) / 1_000
}
