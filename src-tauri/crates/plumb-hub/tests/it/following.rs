//! Long polls and event streams: who waits learns of a new digest at once.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, timeout};

use crate::world::{PATH, World};

/// How long anything that has to happen may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn a_long_poll_without_a_change_ends_after_its_time() {
    let world = World::new();
    let tag = format!("W/\"sha-256:{}\"", world.publish("true", None));
    let begun = Instant::now();
    let reply = world.get(PATH, &[("if-none-match", &tag), ("prefer", "wait=7")]).await;
    assert_eq!((reply.status.as_u16(), reply.header("preference-applied")), (304, "wait=7"));
    assert_eq!(begun.elapsed().as_secs(), 7);
    // More than we hold a request is cut, and who has something else is answered at once.
    let reply = world.get(PATH, &[("if-none-match", &tag), ("prefer", "wait=9999")]).await;
    assert_eq!(reply.header("preference-applied"), "wait=55");
    let begun = Instant::now();
    assert_eq!(world.get(PATH, &[("prefer", "wait=30")]).await.status, 200);
    assert_eq!(begun.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_is_answered_when_the_pack_changes_or_the_hub_stops() {
    let world = World::new();
    let tag = format!("W/\"sha-256:{}\"", world.publish("true", None));
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=50")];
    let begun = Instant::now();
    let change = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.publish("false", None)
    };
    let (reply, hex) = tokio::join!(world.get(PATH, &headers), change);
    assert_eq!(reply.header("digest"), format!("sha-256={hex}"));
    assert_eq!((reply.status.as_u16(), begun.elapsed().as_secs()), (200, 3));
    let tag = format!("W/\"sha-256:{hex}\"");
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=50")];
    let (reply, ()) = tokio::join!(world.get(PATH, &headers), async { world.stop.cancel() });
    assert_eq!((reply.status.as_u16(), begun.elapsed().as_secs()), (304, 3));
}

#[tokio::test]
async fn an_event_stream_tells_the_digest_of_now_and_every_later_one() {
    let world = World::new();
    let first = world.publish("true", None);
    let response = world.open("GET", &format!("{PATH}/events"), &[]).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut next = async || {
        let chunk = timeout(DEADLINE, body.next()).await.expect("in time");
        chunk.map(|chunk| String::from_utf8(chunk.expect("a chunk").to_vec()).expect("text"))
    };
    let shown = |hex: &str| {
        format!(
            "event: digest\nid: {hex}\ndata: {{\"pack\":\"policy-pack-v0\",\"digest\":\"sha256:{hex}\"}}\n\n"
        )
    };
    assert_eq!(next().await, Some(shown(&first)));
    let second = world.publish("false", None);
    assert_eq!(next().await, Some(shown(&second)));
    world.stop.cancel();
    assert_eq!(next().await, None);
}

#[tokio::test]
async fn a_hub_notices_a_pack_that_is_put_into_its_folder() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let hub = plumb_hub::serve_packs(plumb_hub::HubConfig::new(folder.path())).await.expect("up");
    assert_eq!(hub.packs().served(), []);
    let tar = crate::world::tar("true");
    let digest = plumb_hub::publish(folder.path(), "p", &tar, None).expect("published");
    let noticed = async {
        while hub.packs().served() != [("p".to_owned(), digest)] {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, noticed).await.expect("noticed");
    hub.shutdown().await;
}
