//! Long times, on a clock that only runs when nobody has anything to do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use plumb_agent::fetch::{
    Answer, Ask, Attestation, Cause, FetchFailure, FetchMode, Fetcher, PackSource, Pieces,
};
use plumb_fleet::Digest;
use tokio::time::{Instant, sleep};

use crate::fetch::world::{Reaction, Vouching, World, attest, tar};

const URL: &str = "http://127.0.0.1:1/v1/policy/packs/policy-pack-v0";

/// A registry without sockets: sockets do not know about a clock that is held.
#[derive(Debug, Default)]
struct Offer {
    /// Nothing while it is down.
    tar: Mutex<Option<Vec<u8>>>,
    asked: Mutex<Vec<(Instant, bool)>>,
}

impl Offer {
    fn put(&self, tar: Option<Vec<u8>>) {
        *self.tar.lock().expect("no panic inside") = tar;
    }

    fn take_asked(&self) -> Vec<(Instant, bool)> {
        std::mem::take(&mut *self.asked.lock().expect("no panic inside"))
    }
}

impl PackSource for Offer {
    fn pack<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<Answer, FetchFailure>> {
        let asked = (Instant::now(), ask.etag.is_some());
        self.asked.lock().expect("no panic inside").push(asked);
        let tar = self.tar.lock().expect("no panic inside").clone();
        async move {
            let Some(bytes) = tar else {
                return Err(FetchFailure::RegistryDown {
                    problem: "connection refused".to_owned(),
                });
            };
            let digest = Digest::of(&bytes);
            let etag = Some(format!("W/\"sha-256:{digest}\""));
            let digest_field = Some(format!("sha-256={digest}"));
            let waited = ask.wait.is_some();
            if ask.etag == etag {
                sleep(ask.wait.unwrap_or_default()).await;
                return Ok(Answer::NotModified { etag, digest_field, waited });
            }
            let attestation = Some(attest(&bytes, Vouching::default()));
            Ok(Answer::Pack { etag, digest_field, attestation, bytes, waited })
        }
        .boxed()
    }

    fn attestation<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Attestation, FetchFailure>> {
        async { Err(FetchFailure::Unsigned) }.boxed()
    }

    fn events<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Pieces, FetchFailure>> {
        async { Err(FetchFailure::RegistryDown { problem: "connection refused".to_owned() }) }
            .boxed()
    }
}

async fn start(world: &World, offer: &Arc<Offer>, mode: FetchMode) -> Fetcher {
    let mut config = world.config(URL);
    config.interval = Duration::from_secs(20);
    config.mode = mode;
    let parts = world.parts(Arc::clone(offer) as Arc<dyn PackSource>);
    Fetcher::start(config, parts).await.expect("the fetcher starts")
}

/// R160, R192, R222: growing pauses, and the last good pack meanwhile.
#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_for_an_hour() {
    for mode in FetchMode::ALL {
        let (world, offer) = (World::new(), Arc::new(Offer::default()));
        offer.put(Some(tar("true")));
        let fetcher = start(&world, &offer, mode).await;
        sleep(Duration::from_mins(5)).await;
        let good = Digest::of(&tar("true"));
        assert_eq!(world.engine.answers_by(), Some(good), "{mode}");
        let asked = offer.take_asked();
        assert!((5..=30).contains(&asked.len()), "{mode}: {}", asked.len());
        assert!(asked[1..].iter().all(|(_, condition)| *condition), "{mode}");

        offer.put(None);
        let down = Instant::now();
        sleep(Duration::from_hours(1)).await;
        assert_eq!(world.engine.answers_by(), Some(good));
        let asked = offer.take_asked();
        // About one a minute: the pauses grew, and stopped growing.
        assert!((55..=75).contains(&asked.len()), "{mode}: {}", asked.len());
        let gaps = asked.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.max().expect("several") <= Duration::from_secs(61));
        assert!(asked.last().expect("asked").0 - down >= Duration::from_secs(3_500));
        let status = fetcher.status().borrow().clone();
        assert_eq!(status.last.expect("looked").cause, Some(Cause::RegistryDown));
        assert_eq!(fetcher.failures(Cause::RegistryDown), asked.len() as u64);
        assert!(!status.fallback, "what is in force is the newest that anybody knows");

        offer.put(Some(tar("false")));
        sleep(Duration::from_secs(61)).await;
        assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("false"))), "{mode}");
        fetcher.shutdown().await;
    }
}

/// R160, R219.
#[tokio::test(start_paused = true)]
async fn a_new_pack_is_in_force_within_thirty_seconds_of_polling() {
    let (world, offer) = (World::new(), Arc::new(Offer::default()));
    offer.put(Some(tar("true")));
    let fetcher = start(&world, &offer, FetchMode::Poll).await;
    for round in 0_u64..20 {
        sleep(Duration::from_secs(40 + round)).await;
        let next = tar(["false", "true"][usize::try_from(round % 2).expect("small")]);
        offer.put(Some(next.clone()));
        sleep(Duration::from_secs(30)).await;
        assert_eq!(world.engine.answers_by(), Some(Digest::of(&next)), "round {round}");
    }
    fetcher.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_left_after_thirty_seconds() {
    let (world, offer) = (World::new(), Arc::new(Offer::default()));
    offer.put(Some(tar("true")));
    let fetcher = start(&world, &offer, FetchMode::Poll).await;
    fetcher.look().await.expect("asked");
    world.engine.react(&tar("false"), Reaction::Hang);
    offer.put(Some(tar("false")));
    let begun = Instant::now();
    let attempt = fetcher.look().await.expect("asked");
    assert_eq!(attempt.cause, Some(Cause::ActivationTimedOut));
    assert_eq!(begun.elapsed().as_secs(), 30);
    assert_eq!(world.engine.answers_by(), Some(Digest::of(&tar("true"))));
    fetcher.shutdown().await;
}
