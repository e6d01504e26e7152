//! What a key set takes to load is bounded, whatever its source sends.

use super::*;
use crate::step_counter::{KEY_CHECK, steps_of};

/// A set of these entries.
fn parse_entries(entries: &[String]) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{}]}}"#, entries.join(",")).as_bytes()).unwrap()
}

fn entry(key: &JwkObject) -> String {
    serde_json::to_string(key).unwrap()
}

fn warnings(keys: &KeySet) -> Vec<String> {
    keys.warnings().map(Warning::to_string).collect()
}

const COSTLY: &str = "left out, private members and certificates take long to check, which is done \
                      for few keys of a set only";

#[test]
fn row_64_private_keys_on_curves_are_checked_up_to_a_bound() {
    for (curve, expected) in [
        ("P-256", 2857),
        ("P-384", 200),
        ("P-521", 476),
        ("X25519", 3333),
        ("X448", 625),
    ] {
        let mut entries = vec![entry(&key(curve, 0)); expected];
        assert_eq!(parse_entries(&entries).warnings().count(), 0, "{curve}");
        entries.extend(vec![entry(&key(curve, 0)); 2]);
        // What costs little to check is used nevertheless.
        entries.push(entry(&test_tokens::public(&key("RS256", 0))));
        entries.push(entry(&key("HS256", 0)));
        entries.push(entry(&with(&key("ES256", 0), r#"{"use":"sig"}"#)));
        let keys = parse_entries(&entries);
        assert_eq!(keys.usable_keys(), expected + 3, "{curve}");
        let left_out = [0, 1].map(|more| format!("key {}: {COSTLY}", expected + more));
        assert_eq!(warnings(&keys), left_out, "{curve}");
    }
}

#[test]
fn row_64_a_private_key_is_checked_once_for_all_algorithms() {
    for (kind, alg) in [
        ("P-384", "ECDH-ES"),
        ("X448", "ECDH-ES"),
        ("RSA", "RSA-OAEP"),
    ] {
        let text = entry(&with(
            &key(kind, 0),
            &format!(r#"{{"use":"enc","{alg}":1}}"#),
        ));
        let mut keys = KeySet::default();
        let steps = steps_of(|| keys = KeySet::parse(text.as_bytes()).unwrap());
        assert_eq!(steps / KEY_CHECK, 1, "{kind}");
        let encryption = jwe::find_encryption("A128GCM").unwrap();
        let fits = |name: &&str| {
            let algorithm = jwe::find(name).unwrap();
            keys.count_decrypters(algorithm, encryption, &JoseHeader::default()) == 1
        };
        let names: Vec<_> = key_management_algorithms().filter(fits).collect();
        assert_eq!(names.len(), 4, "{kind}");
        assert!(names.iter().all(|name| name.starts_with(alg)), "{kind}");
    }
}

#[test]
fn row_64_key_pairs_that_are_none_take_no_other_key_down() {
    let wrong = with(
        &key("X448", 0),
        &format!(r#"{{"d":{}}}"#, key("X448", 1)["d"]),
    );
    let mut entries = vec![entry(&wrong); 1000];
    entries.extend([
        entry(&key("HS256", 0)),
        entry(&test_tokens::public(&key("ES512", 0))),
    ]);
    let keys = parse_entries(&entries);
    assert_eq!(keys.usable_keys(), 2);
    let warnings = warnings(&keys);
    assert_eq!(warnings.len(), 101);
    assert_eq!(
        warnings.last().unwrap(),
        "key 100: something is wrong with this entry and with 899 more"
    );
    // Those behind the bound are not even checked.
    let steps = |count| steps_of(|| drop(parse_entries(&vec![entry(&wrong); count])));
    let checks = |last| (steps(last) - steps(last - 1)) / KEY_CHECK;
    assert_eq!([625, 626, 627].map(checks), [1, 0, 0]);
}

#[test]
fn row_64_certificates_are_parsed_up_to_a_bound() {
    let certificate = certificates::certificate_of("ES256");
    let bare = format!(r#"{{"x5c":["{certificate}"]}}"#);
    let with_type = format!(r#"{{"kty":"EC","x5c":["{certificate}"]}}"#);
    let mut entries = vec![bare; 400];
    entries.extend(vec![with_type; 268]);
    entries.push(entry(&key("HS256", 0)));
    let keys = parse_entries(&entries);
    assert_eq!(keys.usable_keys(), 667);
    // A certificate beside the members of a key is not read.
    let public = test_tokens::public(&key("ES256", 0));
    let members = format!(r#"{{"x5c":["{certificate}"]}}"#);
    let keys = parse_entries(&vec![entry(&with(&public, &members)); 700]);
    assert_eq!((keys.usable_keys(), keys.warnings().count()), (700, 0));
}

#[test]
fn row_64_primes_are_computed_for_few_large_keys() {
    let large: JwkObject =
        serde_json::from_str(include_str!("../../../../t/data/rsa-16384.jwk")).unwrap();
    let without = r#"{"kid":null,"p":null,"q":null,"dp":null,"dq":null,"qi":null}"#;
    let mut entries = vec![entry(&with(&large, without)); 6];
    entries.push(entry(&with(&key("RSA", 0), without)));
    let keys = parse_entries(&entries);
    assert_eq!(keys.usable_keys(), 6);
    assert_eq!(
        warnings(&keys),
        [
            "key 5: left out, it lacks p, q, dp, dq or qi, which are computed for few keys of a \
             set only"
        ]
    );
}

#[test]
fn row_64_so_many_keys_of_a_set_are_used() {
    let secret = entry(&with(&key("HS256", 0), r#"{"alg":"HS256"}"#));
    let named = entry(&with(&key("HS256", 1), r#"{"alg":"HS256","kid":"n"}"#));
    // Entries that make no key do not count.
    let mut entries = vec!["null".to_owned(); 2];
    entries.extend(vec![secret; 16_383]);
    entries.push(named.clone());
    let not_objects = [0, 1].map(|index| format!("key {index}: left out, not a JSON object"));
    let keys = parse_entries(&entries);
    assert_eq!(keys.usable_keys(), 16_384);
    assert_eq!(warnings(&keys), not_objects);
    for (more, expected) in [
        (1, "left out, of one set no more than 16384 keys are used"),
        (
            300,
            "left out with 299 more, of one set no more than 16384 keys are used",
        ),
    ] {
        let mut entries = entries.clone();
        entries.extend(vec![named.clone(); more]);
        let keys = parse_entries(&entries);
        assert_eq!(keys.usable_keys(), 16_384);
        let mut warnings = warnings(&keys);
        let last = warnings.pop().unwrap();
        assert_eq!(last, format!("key 16386, kid \"n\": {expected}"));
        assert_eq!(warnings, not_objects);
    }
}

#[test]
fn the_end_of_a_long_list_of_warnings_says_how_many_keys_are_left_out() {
    let short = r#"{"kty":"oct","alg":"HS256","k":"AAAA"}"#.to_owned();
    let warnings = warnings(&parse_entries(&vec![short; 16_386]));
    assert_eq!(warnings.len(), 102);
    assert_eq!(
        warnings[100..],
        [
            "key 100: something is wrong with this entry and with 16283 more",
            "key 16384: left out with 1 more, of one set no more than 16384 keys are used"
        ]
    );
}

#[test]
fn the_memory_of_a_set_is_estimated_key_by_key() {
    let memory = |key: &JwkObject| {
        let text = format!(r#"{{"keys":[{}]}}"#, entry(key));
        let memory = KeySet::parse(text.as_bytes()).unwrap().memory();
        memory - text.len()
    };
    let named = |alg: &str, members: &str| memory(&with(&key(alg, 0), members));
    // As measured, and rounded up: secrets for one and for six algorithms, a public RSA key for one
    // and for six, and private keys.
    assert_eq!(named("HS256", r#"{"alg":"HS256"}"#), 1_750);
    assert_eq!(named("HS256", r#"{"alg":"HS256","kid":"name"}"#), 1_758);
    assert_eq!(named("HS256", "{}"), 5_346);
    let public = test_tokens::public(&key("RSA", 0));
    assert_eq!(memory(&with(&public, r#"{"alg":"RS256"}"#)), 1_912);
    assert_eq!(memory(&public), 9_972);
    assert_eq!(named("RSA", "{}"), 12_796);
    assert_eq!(named("P-256", r#"{"use":"enc"}"#), 3_600);
    assert_eq!(named("X448", r#"{"alg":"ECDH-ES"}"#), 1_500);
    assert_eq!(named("Ed448", "{}"), 1_700);
    // A key that can be used for nothing, and one that is left out.
    assert_eq!(memory(&test_tokens::public(&key("X448", 0))), 300);
    assert_eq!(named("HS256", r#"{"alg":"none"}"#), 0);
    let keys = set(&[key("HS256", 0)]);
    assert_eq!(both(&keys, &keys).memory(), 2 * keys.memory());
    assert_eq!(KeySet::default().memory(), 0);
}

#[test]
fn row_64_private_rsa_numbers_are_not_longer_than_the_modulus() {
    let good = key("RSA", 0);
    let longer = test_tokens::base64url(&[0xff; 257]);
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let text = entry(&with(&good, &format!(r#"{{"{member}":"{longer}"}}"#)));
        let mut keys = KeySet::default();
        let steps = steps_of(|| keys = parse_entries(&[text]));
        assert_eq!(
            warnings(&keys),
            ["key 0: left out, its members do not belong to one RSA key"],
            "{member}"
        );
        assert_eq!(steps / KEY_CHECK, 0, "{member}");
    }
}
