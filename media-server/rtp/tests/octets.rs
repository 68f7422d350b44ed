//! Octets in, octets out: what is written is read as it was, and nothing that comes from the network panics.

#![allow(clippy::unwrap_used)]

use carillon_rtp::extension::Extension;
use carillon_rtp::rtcp::{Compound, Packet as Rtcp, ReportBlock, RtcpError, SenderInfo, Writer};
use carillon_rtp::{Jitter, Kind, Packet, Sequence, TelephoneEvent};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn walk(datagram: &[u8]) {
    let _ = Kind::of(datagram);
    let _ = TelephoneEvent::parse(datagram);
    if let Ok(packet) = Packet::parse(datagram) {
        packet.contributors().for_each(drop);
        packet
            .extension
            .iter()
            .flat_map(Extension::elements)
            .for_each(drop);
    }
    let Ok(compound) = Compound::parse(datagram) else {
        return;
    };
    for packet in compound.packets() {
        match packet {
            Rtcp::Report(report) => report.blocks().for_each(drop),
            Rtcp::Description(items) => items.for_each(drop),
            Rtcp::Goodbye(goodbye) => goodbye.sources().for_each(drop),
            Rtcp::Other { .. } | Rtcp::Malformed { .. } => {}
        }
    }
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (
        any::<(u32, u8, u32, u32, u32, u32)>(),
        -0x80_0000..0x80_0000,
    )
        .prop_map(|(words, lost)| ReportBlock {
            ssrc: words.0,
            fraction_lost: words.1,
            lost,
            highest: words.2,
            jitter: words.3,
            last_sender_report: words.4,
            delay: words.5,
        })
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(datagram in vec(any::<u8>(), 0..300)) {
        walk(&datagram);
    }

    #[test]
    fn octets_that_look_like_rtp_are_read_or_refused(
        first in 0x80_u8..0xc0, second: u8, rest in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..120)
    ) {
        walk(&[&[first, second], rest.as_slice()].concat());
    }

    #[test]
    fn octets_that_look_like_rtcp_are_read_or_refused(packets in vec(
        (0x80_u8..0xc0, 198_u8..208, vec(prop_oneof![Just(0_u8), any::<u8>()], 0..80)), 1..4
    )) {
        let mut datagram = Vec::new();
        for (first, packet_type, mut body) in packets {
            body.truncate(body.len() / 4 * 4);
            let words = u16::try_from(body.len() / 4).unwrap().to_be_bytes();
            datagram.extend([first, packet_type, words[0], words[1]]);
            datagram.extend(body);
        }
        walk(&datagram);
    }

    #[test]
    fn a_packet_is_read_as_it_was_written(
        (marker, payload_type, sequence, timestamp, ssrc) in (any::<bool>(), 0_u8..128, any::<u16>(), any::<u32>(), any::<u32>()),
        csrc in vec(any::<[u8; 4]>(), 0..15),
        extension in option::of((any::<u16>(), vec(any::<[u8; 4]>(), 0..6))),
        payload in vec(any::<u8>(), 0..200),
        padding: u8,
    ) {
        let packet = Packet {
            marker,
            csrc: csrc.as_flattened(),
            extension: extension.as_ref().map(|(profile, data)| Extension { profile: *profile, data: data.as_flattened() }),
            padding,
            ..Packet::new(payload_type, sequence, timestamp, ssrc, &payload)
        };
        let mut octets = Vec::new();
        packet.write(&mut octets);
        prop_assert_eq!(Packet::parse(&octets).unwrap(), packet);
    }

    #[test]
    fn a_compound_is_read_as_it_was_written(
        ssrc: u32, name in vec(any::<u8>(), 0..255), blocks in vec(block(), 0..31),
        (ntp, timestamp, packets, octets) in any::<(u64, u32, u32, u32)>(), sources in vec(any::<u32>(), 0..31),
    ) {
        let info = SenderInfo { ntp, timestamp, packets, octets };
        let mut datagram = Vec::new();
        Writer::new(&mut datagram)
            .sender_report(ssrc, &info, &blocks)
            .receiver_report(ssrc, &blocks)
            .canonical_name(ssrc, &name)
            .goodbye(&sources);
        let read: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
        let [Rtcp::Report(sender), Rtcp::Report(receiver), Rtcp::Description(mut names), Rtcp::Goodbye(goodbye)] = read[..]
        else { panic!("{read:?}") };
        prop_assert_eq!(sender.sender, Some(info));
        prop_assert_eq!(receiver.sender, None);
        prop_assert_eq!(sender.blocks().collect::<Vec<_>>(), blocks.clone());
        prop_assert_eq!(receiver.blocks().collect::<Vec<_>>(), blocks);
        prop_assert_eq!(names.next(), Some((ssrc, name.as_slice())));
        prop_assert_eq!(names.next(), None);
        prop_assert_eq!(goodbye.sources().collect::<Vec<_>>(), sources);
    }

    #[test]
    fn statistics_take_any_stream(packets in vec(any::<(u32, u16, u32)>(), 0..300), rates in vec(any::<u32>(), 1..4)) {
        let (mut sequence, mut jitter) = (Sequence::default(), Jitter::default());
        for (index, (ssrc, number, timestamp)) in packets.iter().enumerate() {
            sequence.arrived(ssrc % 2, *number);
            jitter.arrived(u64::from(*timestamp) * 977, *timestamp, rates[index % rates.len()]);
            prop_assert!(sequence.received() <= index as u64 + 1);
            prop_assert!(jitter.us() <= jitter.max_us());
        }
    }

    #[test]
    fn loss_is_what_was_left_out_whatever_the_order(
        first: u16, kept in vec(any::<bool>(), 2..400), swaps in vec(any::<prop::sample::Index>(), 0..20)
    ) {
        let mut numbers: Vec<u16> = (0..kept.len()).filter(|n| kept[*n]).map(|n| first.wrapping_add(n as u16)).collect();
        prop_assume!(numbers.len() > 1);
        for at in swaps {
            let at = at.index(numbers.len() - 1);
            numbers.swap(at, at + 1);
        }
        let span = |n: &u16| n.wrapping_sub(first);
        let sent = u64::from(numbers.iter().map(span).max().unwrap() - numbers.iter().map(span).min().unwrap()) + 1;
        let mut sequence = Sequence::default();
        for number in &numbers {
            sequence.arrived(9, *number);
        }
        prop_assert_eq!(sequence.expected(), sent);
        prop_assert_eq!(sequence.lost(), sent - numbers.len() as u64);
    }
}

/// A sender report with description as a Snom phone sends it, taken apart by hand.
#[test]
fn a_compound_of_a_phone_is_read() {
    let datagram = [
        0x81, 200, 0, 12, 0xde, 0xad, 0xbe, 0xef, // sender report with one block
        0xe9, 0x2a, 0x10, 0x20, 0x80, 0, 0, 0, 0, 0, 0x1f, 0x40, 0, 0, 0, 50, 0, 0, 0x1f,
        0x40, // sender info
        0, 0, 0, 9, 64, 0xff, 0xff, 0xff, 0, 1, 0, 7, 0, 0, 0, 3, 0x10, 0x20, 0x80, 0, 0, 1, 0,
        0, // block
        0x81, 202, 0, 3, 0xde, 0xad, 0xbe, 0xef, 1, 3, b'a', b'@', b'b', 0, 0,
        0, // description
    ];
    let read: Vec<_> = Compound::parse(&datagram).unwrap().packets().collect();
    let [Rtcp::Report(report), Rtcp::Description(mut names)] = read[..] else {
        panic!("{read:?}")
    };
    assert_eq!(report.ssrc, 0xdead_beef);
    assert_eq!(report.sender.unwrap().packets, 50);
    let block = report.blocks().next().unwrap();
    assert_eq!((block.ssrc, block.fraction_lost, block.lost), (9, 64, -1));
    assert_eq!(
        (block.last_sender_report, block.delay),
        (0x1020_8000, 65_536)
    );
    assert_eq!(names.next(), Some((0xdead_beef, &b"a@b"[..])));
}

#[test]
fn a_compound_that_lies_is_refused() {
    let refused = |datagram: &[u8]| Compound::parse(datagram).unwrap_err();
    assert_eq!(refused(&[]), RtcpError::Short);
    assert_eq!(refused(&[0x80, 201, 0, 2, 0, 0, 0, 0]), RtcpError::Short);
    assert_eq!(
        refused(&[0x40, 201, 0, 1, 0, 0, 0, 0]),
        RtcpError::Version(1)
    );
    assert_eq!(refused(&[0x80, 96, 0, 1, 0, 0, 0, 0]), RtcpError::Type(96));
    assert_eq!(refused(&[0xa0, 201, 0, 1, 0, 0, 0, 8]), RtcpError::Padding);
    assert_eq!(refused(&[0x80, 203, 0, 0].repeat(33)), RtcpError::TooMany);
    let short_report = [0x81, 201, 0, 1, 0, 0, 0, 0];
    let read: Vec<_> = Compound::parse(&short_report).unwrap().packets().collect();
    assert_eq!(read, [Rtcp::Malformed { packet_type: 201 }]);
}
