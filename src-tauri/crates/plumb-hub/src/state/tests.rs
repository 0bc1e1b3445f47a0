//! The same questions to both stores, and to two hubs at once on one database.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use plumb_inbox::{PostgresSettings, Step, Trouble};
use plumb_testkit::postgres::Postgres as Server;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Change, Entries, State, StateError, StatePlace,
    collection::{DESIRED, IDENTITY, LOCK, MAIL},
    topic::{AUDIT, DEPLOYMENT},
};

/// Where a store is, and what ends with it.
struct Place {
    at: StatePlace,
    _folder: TempDir,
    _server: Option<Server>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { at: StatePlace::from(folder.path()), _folder: folder, _server: None }
    }

    /// Nothing where PostgreSQL is not installed.
    async fn postgres(test: &str) -> Option<Self> {
        let server = Server::start(test)?;
        let settings = PostgresSettings::new(server.dsn("postgres"));
        State::migrate(&settings, true).await.expect("a server");
        let at = StatePlace::Postgres(settings);
        let folder = TempDir::new().expect("a folder");
        Some(Self { at, _folder: folder, _server: Some(server) })
    }

    async fn open(&self) -> State {
        State::open(&self.at).await.expect("it opens")
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds)
}

async fn body(state: &State, collection: &'static str, key: &str) -> Option<(i64, Value)> {
    let found = state.get::<Value>(collection, key).await.expect("an answer");
    found.map(|found| (found.version, found.body))
}

/// Everything that a hub relies on.
async fn conforms(place: &Place) {
    let state = place.open().await;
    let one = json!({ "a": "\u{0}\u{1f600}", "b": [1, null] });
    assert_eq!(body(&state, LOCK, "eu").await, None);
    let first = Change::default().put(LOCK, "eu", None, &one).log(AUDIT, "ada", &json!("made"));
    state.commit(&first, at(0)).await.expect("new");
    assert_eq!(body(&state, LOCK, "eu").await, Some((1, one.clone())), "back as it went in");
    // Who did not see the first writes nothing, and neither what belongs to it.
    let blind = Change::default().put(MAIL, "b/1", None, &one).put(LOCK, "eu", None, &one).log(
        AUDIT,
        "eve",
        &json!("blind"),
    );
    let refused = state.commit(&blind, at(1)).await.expect_err("it is there");
    assert!(matches!(&refused, StateError::Conflict { collection: LOCK, key } if key == "eu"));
    assert_eq!(body(&state, MAIL, "b/1").await, None);
    let stale = Change::default().put(LOCK, "eu", Some(7), &one);
    assert!(matches!(state.commit(&stale, at(1)).await, Err(StateError::Conflict { .. })));
    let second = Change::default().put(LOCK, "eu", Some(1), &json!(2));
    state.commit(&second, at(2)).await.expect("seen");
    assert_eq!(body(&state, LOCK, "eu").await, Some((2, json!(2))));
    decided(&state).await;
    let here = json!({});
    for key in ["plan-a/2", "plan-a/1", "plan-a", "plan-b/1", "plan-a/\u{e9}"] {
        let put = Change::default().put(MAIL, key, None, &here);
        state.commit(&put, at(4)).await.expect("new");
    }
    let listed = state.list::<Value>(MAIL, "plan-a/").await.expect("a list");
    let keys: Vec<&str> = listed.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys, ["plan-a/1", "plan-a/2", "plan-a/\u{e9}"], "in the order of bytes");
    entries(&state).await;
    changes(&state).await;
    state.close().await;
    let again = place.open().await;
    assert_eq!(body(&again, LOCK, "eu").await, Some((2, json!(2))), "after a restart");
    again.close().await;
}

async fn entries(state: &State) {
    for n in 0..5 {
        let subject = if n % 2 == 0 { "eu" } else { "us" };
        let entry = Change::default().log(DEPLOYMENT, subject, &n);
        state.commit(&entry, at(10 + n)).await.expect("added");
    }
    let of = async |change: fn(&mut Entries)| {
        let mut wanted = Entries::of(DEPLOYMENT);
        wanted.since = at(10);
        change(&mut wanted);
        let found = state.entries::<i64>(&wanted).await.expect("entries");
        assert!(found.windows(2).all(|two| two[0].seq > two[1].seq), "newest first");
        found.iter().map(|entry| entry.body).collect::<Vec<_>>()
    };
    assert_eq!(of(|_| {}).await, [4, 3, 2, 1, 0]);
    assert_eq!(of(|wanted| wanted.subject = "us".to_owned()).await, [3, 1]);
    assert_eq!(of(|wanted| wanted.limit = 2).await, [4, 3]);
    assert_eq!(of(|wanted| wanted.since = at(13)).await, [4, 3]);
    let newest = state.entries::<i64>(&Entries { limit: 1, ..Entries::of(DEPLOYMENT) }).await;
    let newest = newest.expect("entries")[0].seq;
    let before = Entries { before: newest, limit: 1, ..Entries::of(DEPLOYMENT) };
    assert_eq!(state.entries::<i64>(&before).await.expect("entries")[0].body, 3);
    assert_eq!(state.expire(DEPLOYMENT, at(12), false).await.expect("counted"), 3);
    assert_eq!(state.expire(DEPLOYMENT, at(12), true).await.expect("removed"), 3);
    assert_eq!(of(|_| {}).await, [4, 3, 2]);
    state.keep_newest(DEPLOYMENT, 2).await.expect("kept");
    assert_eq!(of(|_| {}).await, [4, 3]);
}

/// A decision sees what it rests on, and one that refuses leaves nothing and lets the next one have its turn.
async fn decided(state: &State) {
    let no =
        Err::<(i32, Change), _>(StateError::Conflict { collection: LOCK, key: "no".to_owned() });
    let refused = state.change(LOCK, "eu", at(3), |_: Option<i32>| no).await;
    assert!(matches!(&refused, Err(StateError::Conflict { key, .. }) if key == "no"));
    let mut turn = state.turn().await.expect("a turn");
    assert_eq!(turn.read::<i32>(LOCK, "eu").await.expect("read"), (Some(2), Some(2)));
    assert_eq!(turn.read::<i32>(DESIRED, "eu").await.expect("read"), (None, None));
    let beside = Change::default().put(DESIRED, "eu", None, &5).log(DEPLOYMENT, "eu", &5);
    turn.commit(&beside, at(3)).await.expect("decided");
    assert_eq!(body(state, LOCK, "eu").await, Some((2, json!(2))), "left as it was");
    assert_eq!(body(state, DESIRED, "eu").await, Some((1, json!(5))));
}

/// What others serve is told to them, and what they do not serve is not.
async fn changes(state: &State) {
    let mut told = state.changes();
    told.mark_unchanged();
    let quiet = Change::default().put(IDENTITY, "ada", None, &1);
    state.commit(&quiet, at(30)).await.expect("new");
    assert!(!told.has_changed().expect("it is open"));
    let loud = Change::default().put(DESIRED, "us", None, &1);
    state.commit(&loud, at(31)).await.expect("new");
    assert!(told.has_changed().expect("it is open"));
}

#[tokio::test]
async fn sqlite_keeps_the_state() {
    conforms(&Place::sqlite()).await;
}

#[tokio::test]
async fn postgres_keeps_the_state() {
    let Some(place) = Place::postgres("the state of hubs in PostgreSQL").await else { return };
    conforms(&place).await;
}

#[tokio::test]
async fn a_database_without_tables_says_what_to_do() {
    let Some(server) = Server::start("the state of hubs in an empty database") else { return };
    let settings = PostgresSettings::new(server.dsn("postgres"));
    let place = StatePlace::Postgres(settings.clone());
    match State::open(&place).await {
        Err(StateError::Server(failure)) => {
            assert_eq!(failure.trouble, Trouble::NotMigrated);
            assert!(failure.to_string().contains("plumb hub migrate"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    let preview = State::migrate(&settings, false).await.expect("a server");
    assert!(preview.iter().all(Step::is_pending) && !preview.is_empty());
    State::migrate(&settings, true).await.expect("a server");
    let again = State::migrate(&settings, true).await.expect("a server");
    assert!(!again.iter().any(Step::is_pending), "done twice it changes nothing");
    State::open(&place).await.expect("its tables are there").close().await;
}

/// Two hubs count up one document and add entries: no step is lost, and whoever reads entries up to a number never
/// finds a lower one later.
async fn two_at_once(place: &Place) {
    const STEPS: u32 = 60;
    let (one, two) = (place.open().await, place.open().await);
    let counting = |state: State, name: &'static str| async move {
        for _ in 0..STEPS {
            let counted = state.change(LOCK, "counter", at(0), |known: Option<u32>| {
                let next = known.unwrap_or_default() + 1;
                Ok::<_, StateError>((next, Change::default().log(AUDIT, name, &next)))
            });
            counted.await.expect("counted");
        }
    };
    let reader = place.open().await;
    let reading = async {
        let (mut seen, mut highest) = (BTreeSet::new(), 0);
        while seen.len() < 2 * STEPS as usize {
            for entry in reader.entries::<u32>(&Entries::of(AUDIT)).await.expect("entries") {
                if seen.insert(entry.seq) {
                    assert!(entry.seq > highest, "{} came after {highest} was seen", entry.seq);
                }
            }
            highest = seen.last().copied().unwrap_or_default();
        }
    };
    tokio::join!(counting(one.clone(), "one"), counting(two.clone(), "two"), reading);
    assert_eq!(body(&two, LOCK, "counter").await, Some((i64::from(2 * STEPS), json!(2 * STEPS))));
    for state in [one, two, reader] {
        state.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_programs_on_one_file_lose_nothing() {
    Box::pin(two_at_once(&Place::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn two_hubs_on_one_database_lose_nothing() {
    let Some(place) = Place::postgres("two hubs with one state").await else { return };
    Box::pin(two_at_once(&place)).await;
}

/// The database's time is nobody's own.
#[tokio::test]
async fn the_database_tells_the_time() {
    let Some(place) = Place::postgres("the time of a database").await else { return };
    let state = place.open().await;
    let told = state.now(at(0)).await.expect("a time");
    assert!(told > Timestamp::now() - SignedDuration::from_hours(1), "{told}");
    assert_eq!(Place::sqlite().open().await.now(at(7)).await.expect("a time"), at(7));
    state.close().await;
}
