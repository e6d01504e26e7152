use super::*;
use proptest::prelude::*;

/// The record alone.
fn encode(record: &VerdictRecord<'_>) -> Option<Vec<u8>> {
    let stored = record.encode(UNTIL)?;
    Some(current(&stored, Duration::ZERO)?.to_vec())
}

const UNTIL: Duration = Duration::from_millis(7);

fn decode(bytes: &[u8]) -> Option<VerdictRecord<'_>> {
    VerdictView::read(bytes).map(|record| VerdictRecord {
        status: record.status,
        vary: record.vary().collect(),
        vary_digest: *record.vary_digest,
        assigned: record.assigned().collect(),
        lines: record.lines().collect(),
        content: record.content().collect(),
        answer: record.answer().into_iter().collect(),
    })
}

fn empty_record() -> VerdictRecord<'static> {
    VerdictRecord {
        status: 65535,
        vary: Vec::new(),
        vary_digest: [0; 32],
        assigned: Vec::new(),
        lines: Vec::new(),
        content: Vec::new(),
        answer: Vec::new(),
    }
}

fn record() -> VerdictRecord<'static> {
    VerdictRecord {
        status: 200,
        vary: vec![b"cookie", b"origin"],
        vary_digest: [7; 32],
        assigned: vec![b"alice", b"", b"b"],
        lines: vec![
            b"X-User",
            b"alice",
            b"Set-Cookie",
            b"a=1",
            b"Set-Cookie",
            b"",
        ],
        content: vec![b"text/plain", b"", b"no\0"],
        answer: vec![b"{\"active\":true}"],
    }
}

#[test]
fn a_record_is_read_as_it_was_encoded() {
    for record in [record(), empty_record()] {
        let bytes = encode(&record).unwrap();
        assert_eq!(decode(&bytes).as_ref(), Some(&record));
        let view = VerdictView::read(&bytes).unwrap();
        let lengths = [view.assigned().len(), view.lines().len()];
        assert_eq!(lengths, [record.assigned.len(), record.lines.len()]);
    }
}

#[test]
fn a_record_counts_until_its_time() {
    let stored = record().encode(UNTIL).unwrap();
    let at = |millis| current(&stored, Duration::from_millis(millis)).and_then(decode);
    assert_eq!([at(0), at(6)], [Some(record()), Some(record())]);
    assert_eq!([at(7), at(8), at(u64::MAX)], [None, None, None]);
    for end in 0..8 {
        assert_eq!(current(&stored[..end], Duration::ZERO), None, "{end}");
    }
    let endless = record().encode(Duration::MAX).unwrap();
    assert!(current(&endless, Duration::from_secs(1 << 40)).is_some());
}

#[test]
fn only_a_record_without_parts_gives_its_status_at_once() {
    let bytes = encode(&empty_record()).unwrap();
    assert_eq!(bytes.len(), HEADER_LEN);
    assert_eq!(status_without_parts(&bytes), Some(65535));
    for end in 0..bytes.len() {
        assert_eq!(status_without_parts(&bytes[..end]), None, "{end}");
    }
    assert_eq!(status_without_parts(&[&bytes[..], b"\0"].concat()), None);
    for list in 34..HEADER_LEN {
        let mut bytes = bytes.clone();
        bytes[list] = 1;
        assert_eq!(status_without_parts(&bytes), None, "{list}");
    }
    let mut other = empty_record();
    other.assigned.push(b"");
    assert_eq!(status_without_parts(&encode(&other).unwrap()), None);
}

#[test]
fn only_exactly_one_record_is_read() {
    let bytes = encode(&record()).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(decode(&bytes[..end]), None, "{end}");
    }
    let longer = [&bytes[..], b"\0"].concat();
    assert_eq!(decode(&longer), None);
    for odd in [vec![&b"X-User"[..]], vec![b"a", b"b", b"c"]] {
        let bytes = encode(&VerdictRecord {
            lines: odd,
            ..empty_record()
        })
        .unwrap();
        assert_eq!(decode(&bytes), None);
    }
    let bytes = encode(&VerdictRecord {
        content: vec![&b"a"[..]],
        ..empty_record()
    })
    .unwrap();
    assert_eq!(decode(&bytes), None);
    let bytes = encode(&VerdictRecord {
        answer: vec![&b"{}"[..], b"{}"],
        ..empty_record()
    })
    .unwrap();
    assert_eq!(decode(&bytes), None);
}

#[test]
fn a_record_of_the_form_before_is_not_read() {
    // Without the count of the fifth list.
    let mut bytes = encode(&empty_record()).unwrap();
    bytes.truncate(HEADER_LEN - 4);
    assert_eq!(decode(&bytes), None);
}

proptest! {
    #[test]
    fn any_bytes_are_safe_to_read(bytes: Vec<u8>) {
        if let Some(record) = decode(&bytes) {
            prop_assert_eq!(encode(&record), Some(bytes));
        }
    }
}
