//! An estimate of how a stream sounds: the E-model of ITU-T G.107 with everything at its default that a media server
//! cannot know (levels, echo, room noise), so that
//!
//! ```text
//! R      = 93.2 - Id - Ie,eff                                            G.107, default values
//! Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl)                    G.107 (7-29); BurstR = 1, losses are random
//! Id     = 0.024 d + 0.11 (d - 177.3) H(d - 177.3)                        Cole and Rosenbluth 2001, d in ms one way
//! MOS    = 1 + 0.035 R + R (R - 60) (100 - R) 7e-6, between 1 and 4.5      G.107 Annex B
//! ```
//!
//! `Ie` and `Bpl` are those of ITU-T G.113 Appendix I (G.711 with concealment, G.729A, G.723.1 at 6.3 kbit/s, GSM EFR).
//! Assumptions: GSM full rate takes loss as GSM EFR does; everything else, G.722 and Opus among it, counts as G.711
//! with concealment, which hides that those two sound better.

/// How a codec takes loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Codec {
    /// Impairment without loss.
    ie: f64,
    /// Robustness against loss.
    bpl: f64,
}

/// G.711 as phones play it: with packet loss concealment.
const G711: Codec = Codec { ie: 0.0, bpl: 25.1 };

impl Codec {
    /// By encoding name, whatever its case; an unknown one is taken for G.711.
    #[must_use]
    pub fn named(name: &str) -> Self {
        const TABLE: [(&str, Codec); 4] = [
            (
                "G729",
                Codec {
                    ie: 11.0,
                    bpl: 19.0,
                },
            ),
            (
                "G723",
                Codec {
                    ie: 15.0,
                    bpl: 16.1,
                },
            ),
            ("GSM-EFR", Codec { ie: 5.0, bpl: 10.0 }),
            (
                "GSM",
                Codec {
                    ie: 20.0,
                    bpl: 10.0,
                },
            ),
        ];
        TABLE
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(G711, |(_, codec)| *codec)
    }
}

/// What is known of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stream {
    pub codec: Codec,
    pub expected: u64,
    pub lost: u64,
    pub jitter_us: u32,
    /// Between the media server and the party; `None` counts as a LAN.
    pub round_trip_us: Option<u32>,
}

/// Packetisation and look-ahead of the phones' usual 20 ms frames.
const FRAME_MS: f64 = 20.0;

impl Stream {
    /// The listening quality that this leads to, in hundredths of MOS: 100 to 450.
    #[must_use]
    pub fn mos_hundredths(&self) -> u16 {
        let r = 93.2 - self.delay_impairment() - self.loss_impairment();
        let mos = if r <= 0.0 {
            1.0
        } else if r >= 100.0 {
            4.5
        } else {
            1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6
        };
        (mos.clamp(1.0, 4.5) * 100.0).round() as u16
    }

    fn loss_impairment(&self) -> f64 {
        let Codec { ie, bpl } = self.codec;
        if self.expected == 0 {
            return ie;
        }
        let percent = 100.0 * (self.lost.min(self.expected) as f64) / (self.expected as f64);
        ie + (95.0 - ie) * percent / (percent + bpl)
    }

    /// One way: half the round trip, a frame, and a jitter buffer of twice the jitter.
    fn delay_impairment(&self) -> f64 {
        let path_ms = f64::from(self.round_trip_us.unwrap_or(0)) / 2000.0;
        let delay_ms = path_ms + FRAME_MS + 2.0 * f64::from(self.jitter_us) / 1000.0;
        0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(codec: &str, lost: u64, jitter_ms: u32, round_trip_ms: u32) -> u16 {
        Stream {
            codec: Codec::named(codec),
            expected: 1000,
            lost,
            jitter_us: jitter_ms * 1000,
            round_trip_us: Some(round_trip_ms * 1000),
        }
        .mos_hundredths()
    }

    #[test]
    fn a_clean_g711_call_is_as_good_as_the_scale_goes() {
        assert_eq!(mos("PCMA", 0, 0, 0), 440);
    }

    #[test]
    fn loss_delay_and_a_narrower_codec_each_cost() {
        assert_eq!(mos("G729", 0, 0, 0), 409);
        assert_eq!(mos("PCMU", 10, 0, 0), 432);
        assert_eq!(mos("PCMU", 50, 0, 0), 390);
        assert_eq!(mos("PCMU", 0, 30, 0), 437);
        assert_eq!(mos("PCMU", 0, 0, 600), 359);
    }

    #[test]
    fn nothing_arriving_is_the_worst_there_is() {
        assert!(mos("PCMU", 1000, 0, 0) < 140);
        assert_eq!(mos("GSM", 1000, 500, 3000), 100);
    }

    #[test]
    fn without_packets_the_codec_speaks_for_itself() {
        let stream = Stream {
            codec: Codec::named("opus"),
            expected: 0,
            lost: 0,
            jitter_us: 0,
            round_trip_us: None,
        };
        assert_eq!(stream.mos_hundredths(), 440);
    }
}
