/// A small generator, so that a failing run can be repeated.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }

    /// A message with one to four faults: octets changed, lost, added or repeated.
    pub fn mutate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut octets = message.to_vec();
        for _ in 0..=self.roll(4) {
            let place = self.roll(octets.len());
            match self.roll(5) {
                0 if !octets.is_empty() => octets[place] = self.roll(256) as u8,
                1 => octets.truncate(place),
                2 => octets.insert(place, b"\r\n\0;:<>\"@"[self.roll(9)]),
                3 => {
                    let piece = octets[place..].to_vec();
                    octets.extend(piece.into_iter().take(2_000));
                }
                _ => {
                    let end = (place + self.roll(40)).min(octets.len());
                    octets.drain(place..end);
                }
            }
        }
        octets.truncate(60_000);
        octets
    }
}
