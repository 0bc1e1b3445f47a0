//! What every store does alike.

use std::collections::BTreeSet;

use plumb_alert::{
    Acknowledgement, Alert, BypassKind, BypassReason, Caller, ConversionTerms, Decided, Draft,
    Frozen, GateRequest, GateVerdict, IncidentEvent, IncidentState, Linked, Measured, Outcome,
    Refusal, Rejection, ReleaseGates, Retention, Severity, SloPolicy, State, Status,
    TriageDecision, Why,
};
use plumb_inbox::{AlertQuery, ClaimRequest, Gate, Inbox, InboxError, IncidentQuery, Place, Since};
use serde_json::json;

use crate::world::{Of, World, ack, at, claim, draft, failure, taken};

/// Runs every check on a store of its own kind, each on an inbox of its own service and window.
async fn conforms(of: Of) {
    let test = format!("what every store does alike, on {of:?}");
    let Some(world) = World::new(of, &test).await else { return };
    let inbox = world.inbox().await;
    reports_become_alerts_and_repeats_are_counted(&world, &inbox).await;
    reports_of_one_batch_are_one_transaction(&inbox).await;
    everything_that_was_told_is_kept(&inbox).await;
    lists_are_filtered_and_paged(&world, &inbox).await;
    an_acked_alert_goes_after_its_time_only(&world, &inbox).await;
    claims_take_the_worst_and_the_oldest_first(&world, &inbox).await;
    one_alert_is_claimed_by_its_name(&world, &inbox).await;
    leases_and_pauses_end(&world, &inbox).await;
    a_lost_claim_settles_nothing(&world, &inbox).await;
    alerts_become_incidents(&world, &inbox).await;
    what_is_worked_on_stands_before_what_is_closed(&inbox).await;
    whoever_follows_sees_every_change(&world, &inbox).await;
    a_place_is_good_for_its_inbox_only(&world, &inbox).await;
    several_tellers_speak_for_themselves(&world, &inbox).await;
    a_triage_runs_once_in_its_cooldown(&world, &inbox).await;
    a_bypass_stands_in_the_timeline(&inbox).await;
    what_is_not_committed_never_was(&inbox).await;
    the_dashboard_counts(&world, &inbox).await;
    inbox.close().await.expect("closes");
    the_policy_opens_incidents(&world).await;
    a_quiet_source_is_told_once(&world).await;
    what_was_kept_is_there_after_a_restart(&world).await;
}

#[tokio::test]
async fn memory() {
    conforms(Of::Memory).await;
}

#[tokio::test]
async fn sqlite() {
    conforms(Of::Sqlite).await;
}

#[tokio::test]
async fn the_consoles_own_record() {
    conforms(Of::Console).await;
}

#[tokio::test]
async fn postgres() {
    conforms(Of::Postgres).await;
}

/// R114, R115, R117, R118.
async fn reports_become_alerts_and_repeats_are_counted(world: &World, inbox: &Inbox) {
    let first = inbox.ingest(draft("gateway", "p95 is 812 ms")).await.expect("accepted");
    assert!(!first.value.deduped() && matches!(first.why[..], [Why::NewFingerprint { .. }]));
    world.wait(60).await;
    let worse = Draft { severity: Severity::P1, ..draft("gateway", "p95 is 930 ms") };
    let second = inbox.ingest(worse).await.expect("accepted");
    let (alert, again) = (first.value.alert(), second.value.alert());
    assert!(second.value.deduped() && again.alert_ref == alert.alert_ref);
    assert_eq!((again.occurrences, again.severity, again.last_seen_at), (2, Severity::P1, at(60)));
    assert_eq!(inbox.alert(&alert.alert_ref).await.expect("there"), *again);
    let over = Draft { resolved: true, ..draft("gateway", "p95 is 200 ms") };
    assert_eq!(taken(inbox, over).await.resolved_at, Some(at(60)));
    world.wait(1_800).await;
    let late = inbox.ingest(draft("gateway", "p95 is 812 ms")).await.expect("accepted");
    assert!(!late.value.deduped() && matches!(late.why[..], [Why::WindowOver { .. }]));
    let again = inbox.ingest(draft("gateway", "p95 is 812 ms")).await.expect("accepted");
    assert_eq!(again.value.alert().alert_ref, late.value.alert().alert_ref, "the newest counts");
    let nameless = inbox.ingest(draft("", "p95")).await;
    assert!(matches!(nameless, Err(InboxError::Rejected(Rejection::Missing { .. }))));
    let unknown = Draft { resolved: true, ..draft("gateway", "never seen") };
    let unknown = inbox.ingest(unknown).await;
    assert!(matches!(unknown, Err(InboxError::Rejected(Rejection::NothingToResolve { .. }))));
}

async fn reports_of_one_batch_are_one_transaction(inbox: &Inbox) {
    let titles = ["disk", "disk", "", "net", "disk"];
    let answers =
        inbox.ingest_all(titles.iter().map(|title| draft("batch", title)).collect()).await;
    let told: Vec<Option<(bool, u64)>> = answers
        .iter()
        .map(|answer| answer.as_ref().ok())
        .map(|answer| answer.map(|it| (it.value.deduped(), it.value.alert().occurrences)))
        .collect();
    assert_eq!(told, [Some((false, 1)), Some((true, 2)), None, Some((false, 1)), Some((true, 3))]);
    let kept = inbox.list(&of_service("batch")).await.expect("a list");
    let mut kept: Vec<_> = kept.iter().map(|it| (it.title.as_str(), it.occurrences)).collect();
    kept.sort_unstable();
    assert_eq!(kept, [("disk", 3), ("net", 1)]);
}

/// Texts that SQL, JSON and their encodings could trip over.
async fn everything_that_was_told_is_kept(inbox: &Inbox) {
    let odd =
        "a 'quote', a \"double\" one, \\u0000, %_, Ünïcode \u{1F525}, {}[]; DROP TABLE alerts";
    let report = Draft {
        message: format!("{odd}\n\ttwo lines\r\n{}", "x".repeat(16_000)),
        title: odd.to_owned(),
        labels: [(odd.to_owned(), odd.to_owned())].into(),
        details: [
            (odd.to_owned(), json!({ "nul": "\0", "deep": [1.5, null, -3, u64::MAX, odd] })),
            ("number".to_owned(), json!(9_007_199_254_740_993_i64)),
        ]
        .into(),
        fingerprint: Some("fp'\"\\".to_owned()),
        signature: Some("sig'\"\\".to_owned()),
        started_at: Some("2026-03-03T11:59:58.123456789Z".parse().expect("a time")),
        source: String::new(),
        ..draft("odd'service", "")
    };
    let made = taken(inbox, report.clone()).await;
    let kept = inbox.alert(&made.alert_ref).await.expect("there");
    assert_eq!(kept, made);
    assert_eq!((&kept.message, &kept.details), (&report.message, &report.details));
    assert_eq!((kept.started_at, kept.source.as_str()), (report.started_at, "unknown"));
    let found = inbox.list(&of_service("odd'service")).await.expect("a list");
    assert_eq!(found.first(), Some(&made));
    let odd_ack =
        Acknowledgement { caller: Caller::new("o'brien \u{1F525}"), note: report.message.clone() };
    let acked = inbox.ack(&made.alert_ref, &odd_ack).await.expect("free").value;
    assert_eq!(inbox.alert(&made.alert_ref).await.expect("there"), acked);
}

/// R125 to R128.
async fn lists_are_filtered_and_paged(world: &World, inbox: &Inbox) {
    for number in 0..7 {
        let env = if number % 2 == 0 { "prod" } else { "staging" };
        let title = format!("page {}", ["a", "b", "c", "d", "e", "f", "g"][number]);
        let report = Draft { env: env.to_owned(), ..draft("paged", &title) };
        let alert = taken(inbox, report).await;
        if number == 4 {
            inbox.ack(&alert.alert_ref, &ack("oncall")).await.expect("free");
        }
        world.wait(60).await;
    }
    let count = async |query: AlertQuery| inbox.list(&query).await.expect("a list").len();
    let all = of_service("paged");
    assert_eq!(count(all.clone()).await, 7);
    assert_eq!(count(AlertQuery { env: Some("prod".into()), ..all.clone() }).await, 4);
    assert_eq!(count(AlertQuery { source: Some("monitor@node2".into()), ..all.clone() }).await, 0);
    let unprocessed = vec![Status::New, Status::Failed];
    assert_eq!(count(AlertQuery { status_in: unprocessed, ..all.clone() }).await, 6);
    let acked = vec![Status::Acked];
    assert_eq!(count(AlertQuery { status_in: acked, ..all.clone() }).await, 1);
    let since = inbox.window(Some(3)).await.expect("a window");
    assert_eq!(count(AlertQuery { since, ..all.clone() }).await, 3);
    let whole = inbox.list(&all).await.expect("a list");
    let mut pages: Vec<Alert> = Vec::new();
    let mut after = None;
    loop {
        let page = AlertQuery { limit: 3, after: after.clone(), ..all.clone() };
        let page = inbox.list(&page).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some((last.last_seen_at, last.alert_ref.clone()));
        pages.extend(page);
    }
    assert_eq!(pages, whole);
    assert!(whole.is_sorted_by(|a, b| a.last_seen_at >= b.last_seen_at), "seen last first");
    let none = inbox.list(&AlertQuery { limit: 0, ..all.clone() }).await;
    assert!(matches!(none, Err(InboxError::Refused(Refusal::OutOfRange { .. }))));
}

/// R149: a preview says what goes, and exactly that goes.
async fn an_acked_alert_goes_after_its_time_only(world: &World, inbox: &Inbox) {
    let dealt_with = inbox.list(&with_status(Status::Acked)).await.expect("a list").len() as u64;
    assert!(dealt_with > 0, "others were acknowledged before");
    world.wait(31 * 86_400).await;
    let recent = taken(inbox, draft("retention", "recent")).await;
    inbox.ack(&recent.alert_ref, &ack("oncall")).await.expect("free");
    let month = Retention { acked_days: 30 };
    let preview = inbox.retention_preview(month).await.expect("a preview");
    assert_eq!(preview.expiring.alerts, dealt_with);
    assert!(preview.expiring.first_acked_at <= preview.expiring.last_acked_at);
    assert!(preview.expiring.last_acked_at.expect("some") < preview.before);
    assert_eq!(inbox.retain(preview.before).await.expect("removes"), dealt_with);
    let left = inbox.retention_preview(month).await.expect("a preview").expiring;
    assert_eq!((left.alerts, left.first_acked_at), (0, None));
    assert_eq!(inbox.list(&with_status(Status::Acked)).await.expect("a list").len(), 1);
    let open = inbox.list(&of_service("paged")).await.expect("a list");
    assert_eq!(open.len(), 6, "what nobody dealt with stays");
}

/// R097, R102, R129.
async fn claims_take_the_worst_and_the_oldest_first(world: &World, inbox: &Inbox) {
    let mut made = Vec::new();
    for (title, severity) in
        [("first", Severity::P2), ("second", Severity::P2), ("worst", Severity::P0)]
    {
        made.push(taken(inbox, Draft { severity, ..draft("claims", title) }).await);
        world.wait(1).await;
    }
    let now = inbox.now().await.expect("a time");
    let recent = ClaimRequest { window_minutes: Some(1), ..claim("loop-1", 2) };
    let claimed = inbox.claim(&recent).await.expect("a claim");
    let titles: Vec<&str> = claimed.alerts.iter().map(|it| it.value.title.as_str()).collect();
    assert_eq!(titles, ["worst", "first"], "the older ones are outside of the window");
    let State::Processing { owner, claimed_at, lock_until } = claimed.alerts[0].value.state()
    else {
        panic!("claimed alerts are processing")
    };
    assert_eq!((owner.as_str(), *claimed_at), ("loop-1", now));
    assert_eq!(lock_until.duration_since(*claimed_at).as_secs(), 600);
    let rest = inbox.claim(&recent).await.expect("a claim").alerts;
    assert_eq!(rest.iter().map(|it| it.value.title.as_str()).collect::<Vec<_>>(), ["second"]);
    assert!(inbox.claim(&recent).await.expect("a claim").alerts.is_empty());
    for alert in &made {
        let acked = inbox.ack(&alert.alert_ref, &ack("loop-1")).await.expect("held").value;
        assert!(matches!(acked.state(), State::Acked { outcome: Outcome::Dismissed, .. }));
    }
    for bad in [
        ClaimRequest { limit: 0, ..claim("loop", 1) },
        ClaimRequest { lock_ttl_seconds: Some(0), ..claim("loop", 1) },
        ClaimRequest { window_minutes: Some(0), ..claim("loop", 1) },
        claim("", 1),
    ] {
        assert!(matches!(inbox.claim(&bad).await, Err(InboxError::Refused(_))), "{bad:?}");
    }
}

async fn one_alert_is_claimed_by_its_name(world: &World, inbox: &Inbox) {
    let wanted = taken(inbox, draft("by-name", "wanted")).await.alert_ref;
    let other = taken(inbox, draft("by-name", "other")).await.alert_ref;
    let claimed = inbox.claim_one(&wanted, "mira", Some(60)).await.expect("free");
    assert!(matches!(claimed.why[..], [Why::Claimed { .. }]));
    let held = inbox.claim_one(&wanted, "jo", None).await;
    assert!(
        matches!(held, Err(InboxError::Refused(Refusal::Held { ref owner, .. })) if owner == "mira")
    );
    assert_eq!(inbox.alert(&other).await.expect("there").status(), Status::New);
    world.wait(60).await;
    let taken_over = inbox.claim_one(&wanted, "jo", None).await.expect("the lease is over");
    let State::Processing { owner, lock_until, claimed_at } = taken_over.value.state() else {
        panic!("{taken_over:?}")
    };
    assert_eq!((owner.as_str(), lock_until.duration_since(*claimed_at).as_secs()), ("jo", 600));
    for alert in [&wanted, &other] {
        inbox.ack(alert, &ack("jo")).await.expect("ours or free");
    }
    let gone = inbox.claim_one(&"alrt_gone".parse().expect("a reference"), "jo", None).await;
    assert!(matches!(gone, Err(InboxError::Refused(Refusal::NoAlert { .. }))));
}

/// R100, R103, R104, R106.
async fn leases_and_pauses_end(world: &World, inbox: &Inbox) {
    let recent = |owner: &str| ClaimRequest { window_minutes: Some(30), ..claim(owner, 10) };
    let alert = taken(inbox, draft("leases", "lost loop")).await;
    inbox.claim(&recent("dies")).await.expect("a claim");
    world.wait(599).await;
    assert!(inbox.claim(&recent("other")).await.expect("a claim").alerts.is_empty());
    assert_eq!(inbox.dashboard(None).await.expect("counts").stale, 0);
    world.wait(1).await;
    assert_eq!(inbox.dashboard(None).await.expect("counts").stale, 1);
    let again = inbox.claim(&recent("other")).await.expect("a claim");
    assert!(matches!(again.requeued[0].why[..], [Why::LockExpired { .. }]));
    let held = &again.alerts[0].value;
    assert_eq!((held.counts().claims, held.counts().requeues), (2, 1));
    let failed = inbox.fail(&alert.alert_ref, &failure("other", 300)).await.expect("held").value;
    assert_eq!(inbox.alert(&alert.alert_ref).await.expect("there"), failed);
    world.wait(299).await;
    assert!(inbox.requeue().await.expect("nothing is due").is_empty());
    world.wait(1).await;
    let back = inbox.requeue().await.expect("one is due");
    assert!(matches!(back[0].why[..], [Why::RetryDue { .. }]));
    let back = inbox.alert(&alert.alert_ref).await.expect("there");
    assert_eq!((back.status(), back.last_error.as_deref()), (Status::New, Some("gateway timeout")));
    inbox.ack(&alert.alert_ref, &ack("oncall")).await.expect("free");
}

async fn a_lost_claim_settles_nothing(world: &World, inbox: &Inbox) {
    let alert = taken(inbox, draft("lost", "claim")).await.alert_ref;
    let recent = |owner: &str| ClaimRequest { window_minutes: Some(30), ..claim(owner, 10) };
    let first = inbox.claim(&recent("a")).await.expect("a claim").alerts;
    let number = first[0].value.counts().claims;
    world.wait(600).await;
    inbox.claim(&recent("b")).await.expect("a claim");
    let of_first = Caller { owner: Some("a".into()), claim: Some(number), ..Caller::new("a") };
    let late = Acknowledgement { caller: of_first, note: String::new() };
    let refused = inbox.ack(&alert, &late).await;
    assert!(matches!(refused, Err(InboxError::Refused(Refusal::Held { .. }))));
    inbox.ack(&alert, &ack("b")).await.expect("held");
    let twice = inbox.ack(&alert, &ack("b")).await;
    assert!(matches!(twice, Err(InboxError::Refused(Refusal::Settled { .. }))));
    let nowhere = "alrt_nowhere".parse().expect("a reference");
    let unknown = inbox.ack(&nowhere, &ack("b")).await;
    assert!(matches!(unknown, Err(InboxError::Refused(Refusal::NoAlert { .. }))));
}

/// R120, R121, R123, R124, R132.
async fn alerts_become_incidents(world: &World, inbox: &Inbox) {
    let worst = Draft { severity: Severity::P0, ..draft("incidents", "down") };
    let (first, second) =
        (taken(inbox, worst).await, taken(inbox, draft("incidents", "slow")).await);
    let terms = ConversionTerms { severity_cap: Severity::P1, dedupe_window_minutes: 60 };
    let opened = inbox.to_incident(&first.alert_ref, Some(terms), "oncall").await.expect("ok");
    let incident = opened.value.appended.incident.clone();
    assert_eq!((opened.value.linked, incident.severity), (Linked::Opened, Severity::P1));
    assert!(opened.why.iter().any(|why| matches!(why, Why::Capped { .. })));
    let joined = inbox.to_incident(&second.alert_ref, Some(terms), "oncall").await.expect("ok");
    assert_eq!(joined.value.linked, Linked::Joined);
    let again = inbox.to_incident(&second.alert_ref, None, "oncall").await.expect("ok");
    assert_eq!(again.value.linked, Linked::Already);
    let reference = &incident.incident_ref;
    inbox.append_event(reference, "oncall", "rolled back gw-1").await.expect("a note");
    inbox.move_incident(reference, "oncall", IncidentState::Mitigating).await.expect("open");
    let (kept, timeline) = inbox.timeline(reference).await.expect("there");
    assert_eq!((kept.alerts, kept.state, kept.entries), (2, IncidentState::Mitigating, 4));
    assert!(timeline.iter().enumerate().all(|(number, entry)| entry.number == number as u64));
    assert!(
        matches!(&timeline[2].event, IncidentEvent::Note { text } if text == "rolled back gw-1")
    );
    let open = IncidentQuery { service: Some("incidents".into()), with_closed: false, limit: 10 };
    assert_eq!(inbox.incidents(&open).await.expect("a list"), [kept]);
    let of_incident = AlertQuery { incident: Some(reference.clone()), ..of_service("incidents") };
    assert_eq!(inbox.list(&of_incident).await.expect("a list").len(), 2);
    let closed = inbox.close_incident(reference, "oncall", "disk replaced").await.expect("open");
    assert_eq!(inbox.incident(reference).await.expect("there"), closed.incident);
    assert!(inbox.incidents(&open).await.expect("a list").is_empty());
    let with_closed = IncidentQuery { with_closed: true, ..open };
    assert_eq!(inbox.incidents(&with_closed).await.expect("a list").len(), 1);
    let twice = inbox.close_incident(reference, "oncall", "").await;
    assert!(matches!(twice, Err(InboxError::Refused(Refusal::Transition { .. }))));
    let acked = inbox.ack(&second.alert_ref, &ack("oncall")).await.expect("free").value;
    assert!(matches!(acked.state(), State::Acked { outcome: Outcome::Appended, .. }));
    let next = inbox.to_incident(&first.alert_ref, None, "oncall").await.expect("ok");
    assert_eq!(next.value.linked, Linked::Opened, "a closed incident takes nothing");
    assert!(next.why.iter().any(|why| matches!(why, Why::RouteDefault { .. })));
    inbox.ack(&first.alert_ref, &ack("oncall")).await.expect("free");
    world.wait(3_601).await;
}

async fn what_is_worked_on_stands_before_what_is_closed(inbox: &Inbox) {
    let mut opened = Vec::new();
    for (title, severity) in
        [("first", Severity::P0), ("second", Severity::P0), ("mild", Severity::P3)]
    {
        let signature = Some(format!("order-{title}"));
        let wanted = Draft { severity, signature, ..draft("order", title) };
        let alert = taken(inbox, wanted).await.alert_ref;
        let incident = inbox.to_incident(&alert, None, "oncall").await.expect("ok").value;
        opened.push(incident.appended.incident.incident_ref);
    }
    for done in &opened[..2] {
        inbox.close_incident(done, "oncall", "done").await.expect("open");
    }
    let query = IncidentQuery { service: Some("order".into()), with_closed: true, limit: 1 };
    let first = inbox.incidents(&query).await.expect("a list");
    assert_eq!(first[0].incident_ref, opened[2], "an open one is not hidden by closed ones");
}

async fn whoever_follows_sees_every_change(world: &World, inbox: &Inbox) {
    let tip = inbox.tip().await.expect("a tip");
    let read = async |place: &Place, limit: u32| {
        inbox.changes(Since::Place(place), limit).await.expect("a page")
    };
    let none = read(&tip.place, 10).await;
    assert!(none.alerts.is_empty() && none.next == tip.place && !none.more, "the tip is the end");
    assert_eq!((none.entries, none.now), (tip.entries, inbox.now().await.expect("a time")));
    let mut names = Vec::new();
    for title in ["one", "two", "three"] {
        // The clock steps back, and what is later stays later.
        world.wait(-1).await;
        names.push(taken(inbox, draft("followed", title)).await.alert_ref);
    }
    let mut seen = Vec::new();
    let mut page = read(&tip.place, 2).await;
    assert!(page.more);
    // What moves between two pages comes again at their end.
    inbox.claim_one(&names[0], "mira", None).await.expect("free");
    loop {
        seen.extend(page.alerts.iter().map(|it| (it.alert_ref.clone(), it.status())));
        if !page.more {
            break;
        }
        page = read(&page.next, 2).await;
    }
    let expected = [(0, Status::New), (1, Status::New), (2, Status::New), (0, Status::Processing)];
    assert_eq!(seen, expected.map(|(one, status)| (names[one].clone(), status)));
    let end = inbox.tip().await.expect("a tip");
    assert_eq!(page.next, end.place);
    let newest = inbox.changes(Since::Newest(2), 10).await.expect("a page");
    let newest: Vec<_> = newest.alerts.iter().map(|it| it.alert_ref.clone()).collect();
    assert_eq!(newest, [names[2].clone(), names[0].clone()], "the newest changes");
    inbox.to_incident(&names[1], None, "oncall").await.expect("ok");
    let after = inbox.tip().await.expect("a tip");
    assert!(after.entries > end.entries, "an incident has a timeline");
    for name in &names {
        inbox.ack(name, &ack("mira")).await.expect("held or free");
    }
    world.wait(3).await;
}

async fn a_place_is_good_for_its_inbox_only(world: &World, inbox: &Inbox) {
    let place = inbox.tip().await.expect("a tip").place;
    let refused = async |place: &str| {
        let place = place.parse().expect("a place");
        let read = inbox.changes(Since::Place(&place), 10).await;
        assert!(matches!(read, Err(InboxError::NoPlace)), "{read:?}");
        assert!(InboxError::NoPlace.to_string().ends_with("read from the start"));
    };
    assert_eq!(place.to_string().parse(), Ok(place.clone()), "it survives as text");
    for text in ["", "yesterday", "2026-03-03T12:00:00Z,alrt_0", ".7", "0a.", "0a.x", "0a.-1"] {
        assert!(text.parse::<Place>().is_err(), "{text:?}");
    }
    refused("00000000000000ff.1").await;
    let (feed, number) =
        place.to_string().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("one");
    // A store that was put back to an earlier state has not given such a number.
    let ahead = number.parse::<u64>().expect("a number") + 1;
    refused(&format!("{feed}.{ahead}")).await;
    refused(&format!("{feed}.{}", u64::MAX)).await;
    // Whoever knows an alert that was removed has to read everything again.
    let old = taken(inbox, draft("removed", "old")).await.alert_ref;
    inbox.ack(&old, &ack("mira")).await.expect("free");
    world.wait(31 * 86_400).await;
    let preview = inbox.retention_preview(Retention { acked_days: 30 }).await.expect("one");
    let known = inbox.tip().await.expect("a tip").place;
    assert!(inbox.retain(preview.before).await.expect("removed") > 0);
    refused(&known.to_string()).await;
    let all = inbox.changes(Since::START, 1_000).await.expect("a page");
    assert!(all.alerts.iter().all(|alert| alert.alert_ref != old) && !all.more);
    assert_eq!(inbox.retain(preview.before).await.expect("nothing is left"), 0);
    let none = inbox.changes(Since::Place(&all.next), 1_000).await.expect("its place holds");
    assert!(none.alerts.is_empty());
}

async fn several_tellers_speak_for_themselves(world: &World, inbox: &Inbox) {
    let told = async |teller: &str, resolved: bool| {
        let told_by = Some(teller.to_owned());
        let report = Draft { told_by, resolved, ..draft("tellers", "nodes are behind") };
        inbox.ingest(report).await.expect("accepted")
    };
    told("mira@laptop", false).await;
    told("jo@desk", false).await;
    let over = told("mira@laptop", true).await;
    assert_eq!(over.value.alert().resolved_at, None, "jo sees it still");
    assert!(matches!(&over.why[..], [Why::StillTold { by, .. }] if by == "jo@desk"), "{over:?}");
    let kept = inbox.alert(&over.value.alert().alert_ref).await.expect("there");
    assert_eq!(kept.told_by.keys().collect::<Vec<_>>(), ["jo@desk"]);
    assert!(told("jo@desk", true).await.value.alert().resolved_at.is_some());
    // A console that was closed holds nothing up for ever.
    told("jo@desk", false).await;
    world.wait(29 * 60).await;
    told("mira@laptop", false).await;
    assert_eq!(told("mira@laptop", true).await.value.alert().resolved_at, None);
    world.wait(60).await;
    let over = told("mira@laptop", true).await;
    assert!(over.value.alert().resolved_at.is_some(), "{over:?}");
    inbox.ack(&over.value.alert().alert_ref, &ack("oncall")).await.expect("free");
    world.wait(3_601).await;
}

/// R107 to R109, R144.
async fn a_triage_runs_once_in_its_cooldown(world: &World, inbox: &Inbox) {
    let run = async |title: &str| {
        let alert = taken(inbox, draft("triage", title)).await.alert_ref;
        let frozen = Frozen {
            snapshot: Some(json!({ "nodes": 3 })),
            doctor: vec!["clock is off".into()],
            ..Frozen::default()
        };
        let done: Decided<_> =
            inbox.triage(&alert, None, frozen, &ack("loop-1")).await.expect("free");
        assert_eq!(inbox.alert(&alert).await.expect("there"), done.value.converted.alert);
        done
    };
    let first = run("one").await;
    world.wait(899).await;
    let second = run("two").await;
    world.wait(1).await;
    let third = run("three").await;
    let decided = [&first, &second, &third].map(|it| it.value.decision);
    assert_eq!(decided, [TriageDecision::Run, TriageDecision::Append, TriageDecision::Run]);
    assert!(second.why.iter().any(|why| matches!(why, Why::Cooldown { minutes: 15, .. })));
    let signature = &first.value.signature.signature;
    let state = inbox.signature(signature).await.expect("read").expect("remembered");
    assert_eq!(state, third.value.signature);
    let incident = &first.value.converted.appended.incident.incident_ref;
    let (_, timeline) = inbox.timeline(incident).await.expect("there");
    let triaged =
        timeline.iter().filter(|entry| matches!(entry.event, IncidentEvent::Triaged { .. }));
    assert_eq!((triaged.count(), timeline.len()), (2, 6));
    let frozen = timeline.iter().find_map(|entry| match &entry.event {
        IncidentEvent::Triaged { frozen, .. } => frozen.snapshot.clone(),
        _ => None,
    });
    assert_eq!(frozen, Some(json!({ "nodes": 3 })));
}

/// R136, R137.
async fn a_bypass_stands_in_the_timeline(inbox: &Inbox) {
    let alert = taken(inbox, draft("release", "burning")).await.alert_ref;
    let incident = inbox.to_incident(&alert, None, "oncall").await.expect("ok");
    let incident = incident.value.appended.incident.incident_ref;
    let (gates, slo, measured) =
        (ReleaseGates::default(), SloPolicy::default(), Measured::default());
    let gate = Gate { gates: &gates, slo: &slo, measured: &measured };
    let mut request = GateRequest {
        service: "release".into(),
        env: "staging".into(),
        by: "oncall".into(),
        run_slo_watch: false,
        reason: None,
    };
    let unexplained = inbox.judge_release(&request, gate, Some(&incident)).await;
    assert!(matches!(unexplained, Err(InboxError::Refused(Refusal::NoReason { .. }))));
    request.reason = Some(BypassReason {
        kind: BypassKind::FixesTheBreach,
        text: "this release mends the breach".into(),
    });
    let passed = inbox.judge_release(&request, gate, Some(&incident)).await.expect("explained");
    assert!(matches!(passed, GateVerdict::Bypassed(_)));
    let (_, timeline) = inbox.timeline(&incident).await.expect("there");
    assert!(matches!(timeline[1].event, IncidentEvent::GateBypassed { .. }));
    inbox.ack(&alert, &ack("oncall")).await.expect("free");
}

async fn what_is_not_committed_never_was(inbox: &Inbox) {
    let alert = taken(inbox, draft("rollback", "kept")).await;
    let changed = alert.ack(&ack("nobody"), at(0)).expect("free").value;
    let mut rows = inbox.store().write().await.expect("begins");
    rows.put_alerts(std::slice::from_ref(&changed)).await.expect("put");
    assert_eq!(rows.alert(&alert.alert_ref).await.expect("read"), Some(changed));
    drop(rows);
    assert_eq!(inbox.alert(&alert.alert_ref).await.expect("there"), alert);
    inbox.ack(&alert.alert_ref, &ack("oncall")).await.expect("free");
}

/// R131.
async fn the_dashboard_counts(world: &World, inbox: &Inbox) {
    world.wait(86_400).await;
    for title in ["a", "b", "b"] {
        taken(inbox, draft("dashboard", title)).await;
    }
    let other = Draft { source: "monitor@node2".into(), ..draft("other", "a") };
    let other = taken(inbox, other).await;
    inbox.ack(&other.alert_ref, &ack("oncall")).await.expect("free");
    let dashboard = inbox.dashboard(Some(240)).await.expect("counts");
    let counted: Vec<_> =
        dashboard.by_status.iter().map(|it| (it.status, it.alerts, it.occurrences)).collect();
    assert_eq!(counted, [(Status::New, 2, 3), (Status::Acked, 1, 1)]);
    let signatures: Vec<_> =
        dashboard.signatures.iter().map(|it| (it.alerts, it.occurrences)).collect();
    assert_eq!(signatures, [(2, 3), (1, 1)]);
    let now = inbox.now().await.expect("a time");
    let sources: Vec<_> = dashboard
        .sources
        .iter()
        .map(|it| (it.source.as_str(), it.alerts, it.last_seen_at == now))
        .collect();
    assert_eq!(sources, [("monitor@node1", 2, true), ("monitor@node2", 1, true)]);
}

async fn the_policy_opens_incidents(world: &World) {
    let policy = "routes: [{name: pages, severity_in: [P0], auto_incident: true}]";
    let inbox = world.inbox_under(policy).await;
    let worst = |title: &str| Draft { severity: Severity::P0, ..draft("auto", title) };
    let drafts = vec![worst("a"), worst("b"), worst("a"), draft("auto", "c")];
    let answers = inbox.ingest_all(drafts).await;
    let alerts: Vec<Alert> =
        answers.into_iter().map(|answer| answer.expect("accepted").value.alert().clone()).collect();
    let incident = alerts[0].incident_ref.clone().expect("by the policy");
    let mut kept = Vec::new();
    for alert in &alerts {
        kept.push(inbox.alert(&alert.alert_ref).await.expect("there"));
    }
    let incidents: BTreeSet<_> = kept.iter().map(|alert| alert.incident_ref.clone()).collect();
    assert_eq!(incidents, BTreeSet::from([None, Some(incident.clone())]));
    assert_eq!(kept[0].occurrences, 2);
    let (incident, timeline) = inbox.timeline(&incident).await.expect("there");
    assert_eq!((incident.alerts, timeline.len()), (2, 2));
    inbox.close().await.expect("closes");
}

/// R133.
async fn a_quiet_source_is_told_once(world: &World) {
    let inbox = world.inbox_under("sources: [{source: monitor@node9, within_minutes: 60}]").await;
    let talks = |title: &str| Draft { source: "monitor@node9".into(), ..draft("quiet", title) };
    let told = async || {
        let told = inbox.watch_sources().await.expect("counts");
        let mut kinds = Vec::new();
        for answer in told {
            let answer = answer.expect("accepted").value;
            kinds.push((answer.deduped(), answer.alert().resolved_at.is_some()));
        }
        kinds
    };
    taken(&inbox, talks("one")).await;
    assert_eq!(told().await, [], "it talks");
    world.wait(3_601).await;
    assert_eq!(told().await, [(false, false)], "it is quiet");
    assert_eq!(told().await, [(true, false)], "it is quiet still");
    taken(&inbox, talks("two")).await;
    assert_eq!(told().await, [(true, true)], "it talks again");
    assert_eq!(told().await, []);
    inbox.close().await.expect("closes");
}

/// R157 with its own words.
async fn what_was_kept_is_there_after_a_restart(world: &World) {
    let inbox = world.inbox().await;
    let report = Draft {
        kind: "test".into(),
        message: "persistence check".into(),
        ..draft("test", "persistence check")
    };
    let alert = taken(&inbox, report.clone()).await;
    let durability = inbox.durability();
    inbox.close().await.expect("closes");
    let late = inbox.ingest(report).await;
    assert!(matches!(late, Err(InboxError::Store(_))), "a closed inbox takes nothing: {late:?}");
    let inbox = world.inbox().await;
    let found = inbox.list(&of_service("test")).await.expect("a list");
    assert_eq!(found, [alert]);
    assert_eq!(durability.survives_restart, world.of != Of::Memory);
    assert!(!durability.to_string().contains("only-for-tests"), "no password: {durability}");
    inbox.close().await.expect("closes");
}

fn of_service(service: &str) -> AlertQuery {
    AlertQuery { service: Some(service.to_owned()), ..everything() }
}

fn with_status(status: Status) -> AlertQuery {
    AlertQuery { status_in: vec![status], ..everything() }
}

fn everything() -> AlertQuery {
    AlertQuery::since(jiff::Timestamp::UNIX_EPOCH, 1_000)
}
