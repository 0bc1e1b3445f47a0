//! Every node dead: the last known fleet is there, dated, before any request.

use plumb_app::{App, AppOptions, views::shell::Mode};

use crate::world::{World, page, states};

#[tokio::test]
async fn the_last_known_fleet_is_shown_with_every_node_dead() {
    let mut world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v1.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    app.close().await;
    world.stop_agents().await;

    let app = App::open(AppOptions::command(world.path("data"))).await.expect("the files open");
    let shell = app.shell().await.expect("a shell");
    assert_eq!((shell.fleet.as_deref(), shell.mode), (Some("eu"), Mode::Cache));
    assert_eq!(shell.sweep.map(|sweep| (sweep.answered, sweep.total)), Some((2, 2)));
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    assert_eq!(states(&view)[1], ("gw-2".to_owned(), "Behind".to_owned()));

    app.sweep("eu").await.expect("a sweep of dead nodes is a result");
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    for row in &view.rows {
        assert_eq!(format!("{:?}", row.state), "Unreachable");
        assert!(row.version.is_some() && row.seen_at_ms.is_some(), "what was known stays, dated");
        assert_eq!(row.failure.as_deref(), Some("refused"));
    }
    app.close().await;
}

#[tokio::test]
async fn a_damaged_cache_is_set_aside_and_named() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    world.app().await.close().await;
    let cache = world.path("data/cache.sqlite");
    std::fs::write(&cache, b"this is not a database at all, whatever its name says")
        .expect("written");
    let app = App::open(AppOptions::command(world.path("data"))).await.expect("the files open");
    let notices = app.shell().await.expect("a shell").notices;
    assert!(notices.iter().any(|notice| notice.contains("set aside as")), "{notices:?}");
    assert_eq!(app.shell().await.expect("a shell").fleets.len(), 1, "the record is whole");
    app.close().await;
}
