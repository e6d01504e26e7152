//! The algorithms that docs/reference.md names are those of the registries.

use std::collections::BTreeSet;

use super::*;

/// The words of a list in docs/reference.md, up to its full stop.
fn listed(title: &str) -> BTreeSet<&'static str> {
    let page = include_str!("../../../../docs/reference.md");
    let (_, list) = page.split_once(&format!("\n- {title}: ")).unwrap();
    let (list, _) = list.split_once('.').unwrap();
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
    list.split(is_between)
        .filter(|word| !word.is_empty())
        .collect()
}

fn without(words: &BTreeSet<&'static str>, prose: &'static str) -> BTreeSet<&'static str> {
    let prose: BTreeSet<_> = prose.split(' ').collect();
    words.difference(&prose).copied().collect()
}

#[test]
fn docs_reference_md_lists_all_algorithms_and_no_others() {
    let mut signatures = without(&listed("Signatures"), "and also by these names");
    signatures.retain(|alg| crypto::HAS_ML_DSA || !alg.starts_with("ML-DSA"));
    assert_eq!(signatures, signature_algorithms().collect());
    let curves = "and on the curves P-256 P-384 P-521 X25519 X448";
    let key_management = without(&listed("Key management"), curves);
    assert_eq!(key_management, key_management_algorithms().collect());
    let encryptions = listed("Content encryption");
    assert_eq!(encryptions, content_encryption_algorithms().collect());
}
