//! What real phones do where the RFCs leave room, or where they do not follow them; each as it was measured.

use crate::Dice;

/// Whose habits a phone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    Baresip,
    Linphone,
    Pjsua,
}

impl Temper {
    pub(super) fn any(dice: &mut Dice) -> Self {
        dice.pick(&[Self::Baresip, Self::Linphone, Self::Pjsua])
    }

    /// The answer to a re-INVITE when it has hung up already.
    pub(super) fn hung_up(self) -> u16 {
        match self {
            Self::Baresip => 481,
            Self::Linphone => 491,
            Self::Pjsua => 488,
        }
    }

    /// The answer to a re-INVITE while it rings, and whether it rings on.
    pub(super) fn still_rings(self) -> (u16, bool) {
        match self {
            Self::Baresip | Self::Pjsua => (500, true),
            Self::Linphone => (491, false),
        }
    }

    /// The answer to a re-INVITE when it rang once and was told to stop; silence where there is none.
    pub(super) fn silenced(self) -> Option<u16> {
        match self {
            Self::Baresip | Self::Linphone => Some(481),
            Self::Pjsua => None,
        }
    }

    /// It takes no re-INVITE before its 200 is acknowledged.
    pub(super) fn waits_for_ack(self) -> bool {
        self == Self::Pjsua
    }

    /// The refusal of a BYE while it rings.
    pub(super) fn early_bye(self) -> Option<u16> {
        match self {
            Self::Baresip | Self::Pjsua => None,
            Self::Linphone => Some(501),
        }
    }

    /// An UPDATE tells it where requests go from now on.
    pub(super) fn follows_update(self) -> bool {
        self != Self::Linphone
    }
}
