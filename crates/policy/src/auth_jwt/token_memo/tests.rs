use super::*;

const JSON: &str = r#"{"sub":"alice","n":1}"#;

fn values(memo: &TokenMemo, set: SetId) -> Option<String> {
    let mut all = Vec::new();
    let result = memo.for_each_value(set, |value| {
        all.push(format!("{}={}", value.header, value.of(JSON).unwrap()));
        Ok::<_, ()>(())
    });
    result.map(|result| {
        result.unwrap();
        all.join(" ")
    })
}

#[test]
fn rules_that_were_not_met_are_not_known() {
    let (ids, memo) = (SetIds::default(), TokenMemo::default());
    let [a, b] = [(); 2].map(|()| ids.next().unwrap());
    assert!(!memo.has_met(a));
    memo.note_met(a);
    assert!(memo.has_met(a));
    assert!(!memo.has_met(b));
    memo.note_met(b);
    assert!(memo.has_met(a) && memo.has_met(b));
}

#[test]
fn the_last_four_sets_of_rules_are_known() {
    let (ids, memo) = (SetIds::default(), TokenMemo::default());
    let sets: Vec<_> = (0..6).map(|_| ids.next().unwrap()).collect();
    sets.iter().for_each(|set| memo.note_met(*set));
    let known: Vec<_> = sets.iter().map(|set| memo.has_met(*set)).collect();
    assert_eq!(known, [false, false, true, true, true, true]);
}

#[test]
fn numbers_end() {
    let ids = SetIds(Cell::new(u32::MAX - 1));
    assert!(ids.next().is_some());
    assert!(ids.next().is_none());
    assert!(ids.next().is_none());
}

#[test]
fn values_of_another_set_are_not_known() {
    let (ids, memo) = (SetIds::default(), TokenMemo::default());
    let [a, b] = [(); 2].map(|()| ids.next().unwrap());
    assert_eq!(values(&memo, a), None);
    let sub = ValueInClaims::find(3, JSON.get(8..13).unwrap(), JSON).unwrap();
    let n = ValueInClaims::find(4, JSON.get(19..20).unwrap(), JSON).unwrap();
    memo.note_values(a, &[sub, n]);
    assert_eq!(values(&memo, a).unwrap(), "3=alice 4=1");
    assert_eq!(values(&memo, b), None);
    memo.note_values(b, &[]);
    assert_eq!(values(&memo, b).unwrap(), "");
    assert_eq!(values(&memo, a), None);
}

#[test]
fn more_than_eight_values_are_not_kept() {
    let memo = TokenMemo::default();
    let set = SetIds::default().next().unwrap();
    let value = ValueInClaims::find(0, JSON.get(8..13).unwrap(), JSON).unwrap();
    memo.note_values(set, &[value; 9]);
    assert_eq!(values(&memo, set), None);
    memo.note_values(set, &[value; 8]);
    assert!(values(&memo, set).is_some());
}

#[test]
fn a_value_that_is_elsewhere_is_not_found() {
    let copy = String::from("alice");
    assert_eq!(ValueInClaims::find(0, &copy, JSON), None);
    assert_eq!(
        ValueInClaims::find(1 << 16, JSON.get(8..13).unwrap(), JSON),
        None
    );
    let whole = ValueInClaims::find(0, JSON, JSON).unwrap();
    assert_eq!(whole.of(JSON), Some(JSON));
    assert_eq!(whole.of("{}"), None);
    let part = JSON.get(8..13).unwrap();
    assert_eq!(ValueInClaims::find(0, JSON, part), None);
}

#[test]
fn an_error_ends_the_values() {
    let memo = TokenMemo::default();
    let set = SetIds::default().next().unwrap();
    let value = ValueInClaims::find(0, JSON.get(8..13).unwrap(), JSON).unwrap();
    memo.note_values(set, &[value; 2]);
    let mut calls = 0;
    let result = memo.for_each_value(set, |_| {
        calls += 1;
        Err("no memory")
    });
    assert_eq!((result, calls), (Some(Err("no memory")), 1));
}
