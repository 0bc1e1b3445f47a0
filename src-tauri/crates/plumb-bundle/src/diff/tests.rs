use proptest::prelude::*;

use super::*;

/// One letter a policy; a following digit is its content.
fn policies(text: &str) -> Vec<PolicyRef> {
    let policy =
        |word: &str| PolicyRef { id: word[..1].to_owned(), digest: Digest::of(word.as_bytes()) };
    text.split_whitespace().map(policy).collect()
}

#[track_caller]
fn check(before: &str, after: &str, expected: &str) {
    let diff = diff_refs(&policies(before), &policies(after), Ordering::ByPosition);
    let shown: Vec<String> =
        diff.deltas.iter().map(|d| format!("{} {:?}", d.id, d.kind())).collect();
    assert_eq!(shown.join(", "), expected);
}

#[test]
fn each_kind_of_change_is_named() {
    check("a b c", "a b c", "");
    check("a b c", "a c", "b Removed");
    check("a c", "a b c", "b Added");
    check("a b1 c", "a b2 c", "b Changed");
    check("", "a b", "a Added, b Added");
    check("a b", "", "a Removed, b Removed");
}

#[test]
fn one_policy_that_moved_is_one_move() {
    check("a b c d e", "b c d e a", "a Moved");
    check("a b c d e", "e a b c d", "e Moved");
    check("a b c d e1", "e2 a b c d", "e ChangedAndMoved");
    check("a b c", "c b a", "c Moved, b Moved");
}

#[test]
fn an_insertion_moves_nothing() {
    check("a b c", "x a b y c", "x Added, y Added");
    check("a b c d", "d x", "a Removed, b Removed, x Added, c Removed");
}

#[test]
fn equal_names_are_told_apart_by_occurrence() {
    check("a1 a2 b", "a1 b", "a Removed");
    check("a1 a2", "a2 a1", "a Changed, a Changed");
}

#[test]
fn a_set_has_no_moves() {
    let diff = diff_refs(&policies("a b c"), &policies("c b1 a"), Ordering::Unordered);
    assert_eq!(diff.counts, DeltaCounts { changed: 1, unchanged: 2, ..DeltaCounts::default() });
}

#[test]
fn places_are_positions_in_both_lists() {
    let (before, after) = (policies("a b c"), policies("b c a1"));
    let diff = diff_refs(&before, &after, Ordering::ByPosition);
    let delta = &diff.deltas[0];
    assert_eq!(delta.before, Some(Place { index: 0, digest: before[0].digest }));
    assert_eq!(delta.after, Some(Place { index: 2, digest: after[2].digest }));
}

proptest! {
    #[test]
    fn counts_add_up_and_moves_undo_nothing(
        before in prop::collection::vec(0..12u8, 0..20),
        after in prop::collection::vec(0..12u8, 0..20),
    ) {
        let list = |ids: &[u8]| -> Vec<PolicyRef> {
            ids.iter().map(|id| PolicyRef { id: id.to_string(), digest: Digest::of(&[*id]) }).collect()
        };
        let (before, after) = (list(&before), list(&after));
        let diff = diff_refs(&before, &after, Ordering::ByPosition);
        let DeltaCounts { added, removed, changed, moved, unchanged } = diff.counts;
        prop_assert_eq!(changed, 0, "equal names have equal content here");
        prop_assert_eq!(added + moved + unchanged, after.len());
        prop_assert_eq!(removed + moved + unchanged, before.len());
        prop_assert_eq!(diff.is_empty(), before == after);
        let back = diff_refs(&after, &before, Ordering::ByPosition).counts;
        prop_assert_eq!((back.added, back.removed, back.moved), (removed, added, moved));
    }
}
