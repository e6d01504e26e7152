use super::*;

const TIME: i64 = 1_700_000_000;

fn key(byte: u8) -> DpopNonceKey {
    DpopNonceKey::new(&[byte; 32])
}

#[test]
fn row_61_a_nonce_of_another_key_or_time_is_not_known() {
    let key = key(1);
    let nonce = key.nonce(TIME);
    assert_eq!(super::tests::key(2).time_of(&nonce), None);
    // Somebody without the key moves the time of a nonce, or makes up all of it.
    let decoded = URL_SAFE_NO_PAD.decode(&nonce).unwrap();
    for (index, _) in decoded.iter().enumerate() {
        let mut forged = decoded.clone();
        forged[index] ^= 1;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        assert_eq!(key.time_of(&forged), None, "byte {index}");
    }
    let mut later = (TIME + 1).to_be_bytes().to_vec();
    later.extend(&decoded[TIME_LEN..]);
    assert_eq!(key.time_of(&URL_SAFE_NO_PAD.encode(later)), None);
}

#[test]
fn row_61_what_is_no_nonce_is_not_known() {
    let key = key(1);
    let nonce = key.nonce(TIME);
    let short = URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(&nonce).unwrap()[..24]);
    // The last character has four bits of the MAC. The other two must be zero.
    let (start, last) = nonce.split_at(NONCE_LEN - 1);
    let other_bits: Vec<_> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .filter(|other| !last.starts_with(*other))
        .map(|other| format!("{start}{other}"))
        .collect();
    let others = [
        "",
        "a",
        &short,
        &nonce[1..],
        &format!("{nonce}="),
        &format!("{nonce}A"),
        &format!(" {nonce}"),
        &nonce.replace(&nonce[..1], "!"),
        &"A".repeat(NONCE_LEN),
        &"\u{e9}".repeat(NONCE_LEN / 2),
    ];
    for other in others
        .into_iter()
        .chain(other_bits.iter().map(|text| &**text))
    {
        assert_eq!(key.time_of(other), None, "{other}");
    }
}

#[test]
fn a_nonce_tells_its_time() {
    let key = key(1);
    for time in [TIME, 0, -1, i64::MAX, i64::MIN] {
        let nonce = key.nonce(time);
        assert_eq!(key.time_of(&nonce), Some(time), "{nonce}");
        // Another worker has the same secret.
        assert_eq!(super::tests::key(1).time_of(&nonce), Some(time), "{nonce}");
        // RFC 9449 section 8.1.
        assert_eq!(nonce.len(), NONCE_LEN);
        let is_nqchar = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(nonce.bytes().all(is_nqchar), "{nonce}");
    }
    assert_ne!(key.nonce(TIME), key.nonce(TIME + 1));
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", key(7)), "DpopNonceKey");
}
