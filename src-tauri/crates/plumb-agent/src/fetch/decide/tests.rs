use plumb_wire::packs::etag;
use proptest::prelude::*;

use super::*;
use crate::fetch::Cause;

fn pace() -> Pace {
    Pace::every(Duration::from_secs(20))
}

fn holding(content: &[u8]) -> Memory {
    let digest = Digest::of(content);
    let held = Held { digest, etag: Some(etag(&digest.to_hex())) };
    Memory { held: Some(held), full_at: Some(Duration::ZERO), ..Memory::default() }
}

#[track_caller]
fn refused(memory: &Memory, seen: Seen<'_>) -> Cause {
    memory.judge(seen).expect_err("refused").cause()
}

#[test]
fn an_answer_that_contradicts_itself_is_refused_by_its_cause() {
    let memory = holding(b"old");
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    let (old_tag, new_tag) = (etag(&old.to_hex()), etag(&new.to_hex()));
    let (old_field, new_field) = (format!("sha-256={old}"), format!("sha-256={new}"));
    let pack = |etag, digest_field| Seen::Pack { etag, digest_field, found: new };
    assert_eq!(refused(&memory, pack(None, None)), Cause::NoDigest);
    assert_eq!(refused(&memory, pack(None, Some("md5=x"))), Cause::NoDigest);
    assert_eq!(refused(&memory, pack(None, Some(&old_field))), Cause::DigestMismatch);
    assert_eq!(refused(&memory, pack(Some(&old_tag), Some(&new_field))), Cause::EtagLies);
    assert_eq!(memory.judge(pack(Some(&new_tag), Some(&new_field))).expect("new"), Step::Verify);
    assert_eq!(
        memory.judge(pack(Some("\"opaque\""), Some(&new_field))).expect("new"),
        Step::Verify
    );
    let asked =
        |asked_with, etag, digest_field| Seen::NotModified { asked_with, etag, digest_field };
    assert_eq!(refused(&memory, asked(None, None, None)), Cause::NotModifiedWithoutCache);
    assert_eq!(
        refused(&Memory::default(), asked(Some(&old_tag), None, None)),
        Cause::NotModifiedWithoutCache
    );
    assert_eq!(refused(&memory, asked(Some(&old_tag), Some(&new_tag), None)), Cause::EtagLies);
    let told = asked(Some(&old_tag), Some(&old_tag), Some(&new_field));
    assert_eq!(refused(&memory, told), Cause::EtagLies);
    let fine = asked(Some(&old_tag), Some(&old_tag), Some(&old_field));
    assert_eq!(memory.judge(fine).expect("current"), Step::Rest);
}

#[test]
fn an_opaque_etag_names_one_content() {
    let mut memory = holding(b"old");
    memory.held.as_mut().expect("held").etag = Some("\"v1\"".to_owned());
    let new = Digest::of(b"new");
    let field = format!("sha-256={new}");
    let seen = |etag| Seen::Pack { etag: Some(etag), digest_field: Some(&field), found: new };
    assert_eq!(refused(&memory, seen("W/\"v1\"")), Cause::EtagLies);
    assert_eq!(memory.judge(seen("\"v2\"")).expect("new"), Step::Verify);
}

#[test]
fn the_whole_pack_is_asked_for_after_a_contradiction_and_once_a_day() {
    let mut memory = holding(b"old");
    let day = pace().full_every;
    assert!(memory.condition(&pace(), Duration::from_mins(1)).is_some());
    assert!(memory.condition(&pace(), day).is_none());
    let failed = Outcome::Failed { retry_after: None, distrust: true, answered: true };
    memory.after(&pace(), failed, Duration::from_mins(1), 0.5);
    assert!(memory.condition(&pace(), Duration::from_secs(61)).is_none());
    let fine = Outcome::Current { full: true, waited: false };
    memory.after(&pace(), fine, Duration::from_secs(62), 0.5);
    assert!(memory.condition(&pace(), Duration::from_secs(63)).is_some());
    assert!(Memory::default().condition(&pace(), Duration::ZERO).is_none());
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(full, waited)| Outcome::Current { full, waited }),
        (proptest::option::of(0_u64..100_000), any::<bool>(), any::<bool>()).prop_map(
            |(seconds, distrust, answered)| {
                let retry_after = seconds.map(Duration::from_secs);
                Outcome::Failed { retry_after, distrust, answered }
            }
        ),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: pauses stay within their bounds.
    /// R160, R177: jitter after an answer, full jitter after a failure.
    #[test]
    fn pauses_stay_within_their_bounds(
        steps in proptest::collection::vec((outcomes(), 0.0_f64..=1.0, 0_u64..10_000), 1..60),
    ) {
        let pace = pace();
        let mut memory = holding(b"old");
        let mut now = Duration::ZERO;
        let mut failures = 0_u32;
        for (outcome, share, elapsed) in steps {
            now += Duration::from_secs(elapsed);
            let pause = memory.after(&pace, outcome, now, share);
            match outcome {
                Outcome::Current { waited, .. } => {
                    failures = 0;
                    prop_assert!(pause <= pace.interval);
                    prop_assert!(waited || pause >= pace.interval.mul_f64(0.8));
                    prop_assert!(!memory.distrust);
                }
                Outcome::Failed { retry_after, distrust, answered } => {
                    failures += 1;
                    let asked = retry_after.unwrap_or_default().min(pace.retry_after_max);
                    prop_assert!(pause >= asked, "Retry-After is honoured");
                    prop_assert!(pause >= PAUSE_MIN);
                    // R219: a sound pack after many refused ones is not late, either.
                    let longest = if answered { pace.interval } else { pace.backoff_max };
                    prop_assert!(pause <= asked + longest);
                    prop_assert_eq!(memory.not_before, now + asked);
                    prop_assert_eq!(memory.distrust, distrust);
                    prop_assert!(!distrust || memory.condition(&pace, now).is_none());
                }
            }
            prop_assert_eq!(memory.failures, failures);
        }
    }

    /// More failures never make the longest pause shorter.
    #[test]
    fn the_ceiling_grows_to_its_maximum(failures in 1_u32..10_000) {
        let pace = pace();
        prop_assert!(ceiling(&pace, failures) <= ceiling(&pace, failures + 1));
        prop_assert!(ceiling(&pace, failures) <= pace.backoff_max);
        prop_assert_eq!(ceiling(&pace, 1), pace.backoff_first);
    }

    /// Nothing is verified, or taken for current, whose digests do not agree.
    #[test]
    fn only_agreeing_answers_pass(
        held in any::<Option<u8>>(),
        claimed in 0_u8..4,
        tagged in proptest::option::of(0_u8..4),
        found in 0_u8..4,
    ) {
        let memory = held.map_or_else(Memory::default, |byte| holding(&[byte % 4]));
        let field = format!("sha-256={}", Digest::of(&[claimed]));
        let tag = tagged.map(|byte| etag(&Digest::of(&[byte]).to_hex()));
        let seen = Seen::Pack {
            etag: tag.as_deref(),
            digest_field: Some(&field),
            found: Digest::of(&[found]),
        };
        let agrees = claimed == found && tagged.is_none_or(|byte| byte == found);
        match memory.judge(seen) {
            Ok(step) => {
                prop_assert!(agrees);
                let active = held.is_some_and(|byte| byte % 4 == found);
                prop_assert_eq!(step == Step::Rest, active);
            }
            Err(_) => prop_assert!(!agrees),
        }
    }
}
