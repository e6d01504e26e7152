use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_key_is_remembered_for_its_time() {
    let keys = UncacheableKeys::default();
    assert!(!keys.contains(&[1; 32], SECOND));
    keys.add([1; 32], SECOND);
    assert!(keys.contains(&[1; 32], SECOND));
    assert!(keys.contains(&[1; 32], SECOND * 2 - Duration::from_millis(1)));
    assert!(!keys.contains(&[1; 32], SECOND * 2));
    assert!(!keys.contains(&[2; 32], SECOND));
    keys.add([1; 32], SECOND * 5);
    assert!(keys.contains(&[1; 32], SECOND * 5));
}

#[test]
fn a_key_is_forgotten_when_a_response_was_cached() {
    let keys = UncacheableKeys::default();
    keys.remove(&[1; 32]);
    keys.add([1; 32], SECOND);
    keys.add([1; 32], SECOND);
    keys.add([2; 32], SECOND);
    keys.remove(&[1; 32]);
    assert!(!keys.contains(&[1; 32], SECOND));
    assert!(keys.contains(&[2; 32], SECOND));
    keys.clear();
    assert!(!keys.contains(&[2; 32], SECOND));
}

#[test]
fn memory_is_bounded() {
    let keys = UncacheableKeys::default();
    for number in 0..100_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        keys.add(key, SECOND);
    }
    assert!(!keys.contains(&[0; 32], SECOND));
    let mut last = [0; 32];
    last[..4].copy_from_slice(&99_999_u32.to_le_bytes());
    assert!(keys.contains(&last, SECOND));
}
