//! What a sweep finds and how it is shown.

use plumb_app::{
    actions::files::read_chosen,
    error::Code,
    views::{
        drift::{Baseline, PolicyChange},
        impact::ReadingView,
        settings::ImportFormat,
    },
};

use crate::world::{World, page, states};

#[tokio::test]
async fn a_sweep_names_who_differs_and_how() {
    let world = World::start(&[
        ("gw-1", "v2.signed.json"),
        ("gw-2", "v1.signed.json"),
        ("gw-3", "v2-other.signed.json"),
    ])
    .await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    let expected = [("gw-1", "InSync"), ("gw-2", "Behind"), ("gw-3", "Diverged")];
    assert_eq!(states(&view), expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
    assert_eq!((view.matrix.cells.as_str(), view.matrix.matched.as_str()), (".bd", ""));
    assert_eq!(app.node_names("eu").expect("names").ids, ["gw-1", "gw-2", "gw-3"]);
    assert_eq!(view.versions.iter().map(|share| share.count).sum::<u32>(), 3);

    let drifted = app.fleet_overview("eu", &page("state:drifted")).await.expect("a view");
    assert_eq!((drifted.matched, drifted.matrix.matched.as_str()), (2, "011"));

    let node = app.node("eu", "gw-3").await.expect("a node");
    assert_eq!(node.difference.as_deref(), Some("1 changed"));
    assert_eq!((node.previous.as_deref(), node.next), (Some("gw-2"), None));
    app.close().await;
}

#[tokio::test]
async fn a_group_shows_the_policy_that_differs() {
    let world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v2-other.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let groups = app.drift("eu", &Baseline::Desired, None).await.expect("groups").groups;
    let other = groups.iter().find(|group| !group.is_baseline).expect("a group that differs");
    assert_eq!(other.note.as_deref(), Some("same version, other content"));
    assert_eq!(other.readings, [ReadingView::Documented], "its nodes are agents");
    let view = app.drift("eu", &Baseline::Desired, Some(&other.key)).await.expect("a diff");
    let diff = view.diff.expect("a chosen group has a diff");
    assert_eq!((diff.changed, diff.added, diff.removed, diff.moved), (1, 0, 0, 0));
    assert_eq!(
        (diff.policies[0].id.as_str(), diff.policies[0].change),
        ("payments.refund", PolicyChange::Changed)
    );
    let (from, to) = (diff.from_content.as_deref(), diff.to_content.as_deref());
    let text = app.policy_text_diff("eu", from, to, "payments.refund").await.expect("a text diff");
    let emphasised: Vec<String> = text
        .rows
        .iter()
        .filter_map(|row| row.right.as_ref())
        .flat_map(|side| {
            side.pieces.iter().filter(|piece| piece.emphasised).map(|piece| piece.text.clone())
        })
        .collect();
    assert_eq!(emphasised.concat(), "allow");
    app.close().await;
}

#[tokio::test]
async fn a_bad_fleet_file_names_line_and_field_and_changes_nothing() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let text = std::fs::read_to_string(world.path("fleet.toml")).expect("readable");
    let bad = world.path("bad.toml");
    std::fs::write(&bad, text.replace("http://", "gopher://").replace("\"eu\"", "\"us\""))
        .expect("written");
    let error = app.add_fleet(bad.as_str()).await.expect_err("must be refused");
    assert!(error.message.contains("line 14: node gw-1: url:"), "{}", error.message);
    assert_eq!(app.shell().await.expect("a shell").fleets.len(), 1);
    app.close().await;
}

#[tokio::test]
async fn an_import_never_overwrites_what_was_written_since_its_preview() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let nodes = "id,api,url\ngw-9,reload,http://127.0.0.1:9\n";
    let preview =
        app.preview_import(Some("eu"), ImportFormat::Csv, nodes, "eu").await.expect("a preview");
    assert_eq!(
        (preview.added, preview.removed),
        (vec!["gw-9".to_owned()], vec!["gw-1".to_owned()])
    );
    let file = world.path("fleet.toml");
    let edited =
        std::fs::read_to_string(&file).expect("readable") + "\n# a word of somebody else\n";
    std::fs::write(&file, &edited).expect("written");
    let error = app.save_import("eu", &preview.toml, None).await.expect_err("the file changed");
    assert_eq!(error.code, Code::Outdated);
    assert_eq!(std::fs::read_to_string(&file).expect("readable"), edited, "nothing is lost");

    let preview =
        app.preview_import(Some("eu"), ImportFormat::Csv, nodes, "eu").await.expect("a preview");
    app.save_import("eu", &preview.toml, None).await.expect("saved");
    let view = app.fleet_overview("eu", &page("")).await.expect("a view");
    let names = app.node_names("eu").expect("names");
    assert_eq!(names.ids, ["gw-9"]);
    assert_eq!(names.members, view.members, "the names are of the nodes that are shown");
    app.close().await;
}

#[tokio::test]
async fn a_look_at_one_node_leaves_the_last_sweep_alone() {
    let mut world = World::start(&[("gw-1", "v2.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let app = world.app().await;
    let sweep = async || app.shell().await.expect("a shell").sweep.map(|s| s.finished_at_ms);
    let taken_at = |current: &plumb_app::Current| current.snapshot.taken_at.as_millisecond();
    let swept = app.look_at("eu", &["gw-1".to_owned()]).await.expect("a look");
    let first = sweep().await.expect("before the first sweep a look is a look at all");
    let before = app.fleet_overview("eu", &page("")).await.expect("a view");
    assert!(before.rows.iter().all(|row| row.seen_at_ms.is_some()));

    world.stop_agents().await;
    let current = app.look_at("eu", &["gw-1".to_owned()]).await.expect("a look");
    assert_eq!(sweep().await, Some(first), "the last sweep is as old as it was");
    assert_eq!(taken_at(&current), taken_at(&swept), "a snapshot is as old as its sweep");
    let after = app.fleet_overview("eu", &page("")).await.expect("a view");
    let found = states(&after).into_iter().map(|(_, state)| state);
    assert_eq!(found.collect::<Vec<_>>(), ["Unreachable", "InSync"]);
    assert_eq!(after.rows[1].seen_at_ms, before.rows[1].seen_at_ms, "nobody looked at it again");

    // What another process reads is the same.
    let other = world.app().await;
    let read = other.fleet_overview("eu", &page("")).await.expect("a view");
    assert_eq!(states(&read), states(&after));
    assert_eq!(other.shell().await.expect("a shell").sweep.map(|s| s.finished_at_ms), Some(first));
    other.close().await;
    app.close().await;
}

#[tokio::test]
async fn a_new_fleet_is_saved_where_it_was_chosen_and_never_over_another_file() {
    let world = World::start(&[("gw-1", "v2.signed.json")]).await;
    let app = world.app().await;
    let nodes = "id,api,url\ngw-9,reload,http://127.0.0.1:9\n";
    let preview =
        app.preview_import(None, ImportFormat::Csv, nodes, "us").await.expect("a preview");
    let taken = world.path("fleet.toml");
    let before = std::fs::read_to_string(&taken).expect("readable");
    let refused = app
        .save_import("us", &preview.toml, Some(taken.as_str()))
        .await
        .expect_err("the file is there");
    assert_eq!(refused.message, format!("{taken} is there already"));
    assert_eq!(std::fs::read_to_string(&taken).expect("readable"), before, "nothing is lost");

    let chosen = world.path("chosen/us.toml");
    app.save_import("us", &preview.toml, Some(chosen.as_str())).await.expect("saved");
    let shell = app.shell().await.expect("a shell");
    let listed = shell.fleets.iter().find(|fleet| fleet.name == "us").expect("on the list");
    assert_eq!(listed.file, chosen.as_str());
    let moved = app.save_import("eu", &before, Some(chosen.as_str())).await;
    assert!(moved.expect_err("it has a file").message.contains("is on the list with its file"));
    app.close().await;
}

#[tokio::test]
async fn a_chosen_file_is_read_under_a_limit_and_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| camino::Utf8Path::from_path(folder.path()).expect("UTF-8").join(name);
    std::fs::write(path("nodes.csv"), "id,url\n").expect("written");
    let chosen = read_chosen(path("nodes.csv")).await.expect("readable");
    assert_eq!((chosen.name.as_str(), chosen.text.as_str()), ("nodes.csv", "id,url\n"));
    std::fs::write(path("binary"), [0xff, 0xfe]).expect("written");
    let large = std::fs::File::create(path("large")).expect("created");
    large.set_len(plumb_fleet::fleet::FLEET_FILE_BYTES_MAX as u64 + 1).expect("sized");
    for (name, word) in [
        ("binary", "is not text in UTF-8"),
        ("large", "is larger than"),
        ("none", "could not be read"),
    ] {
        let refused = read_chosen(path(name)).await.expect_err("must be refused");
        assert!(refused.message.contains(word), "{}", refused.message);
    }
}

#[tokio::test]
async fn what_a_node_ran_earlier_is_a_baseline() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let plan = app.prepare_plan("eu", &crate::world::sync_drifted()).await.expect("a plan");
    let run = app.start_run("eu", &plan.hash, None).await.expect("a run");
    app.finished(&run.id).await.expect("a run");

    let moments = app.moments("eu", "gw-1").await.expect("moments").moments;
    let ran: Vec<_> = moments.iter().map(|moment| moment.version.as_deref()).collect();
    assert_eq!(ran, [Some("2.0.0"), Some("1.0.0")]);
    assert!(moments.iter().all(|moment| moment.readable));
    assert_eq!(moments[1].content, world.content("v1.signed.json"));
    let earlier = Baseline::Moment { id: "gw-1".to_owned(), at_ms: moments[1].at_ms };
    let groups = app.drift("eu", &earlier, None).await.expect("groups");
    assert_eq!(groups.baseline.content, Some(world.content("v1.signed.json")));
    let named = groups.choices.iter().find(|choice| choice.baseline == earlier).expect("listed");
    assert!(named.label.starts_with("gw-1 at "), "{}", named.label);
    let view = app.drift("eu", &earlier, Some(&groups.groups[0].key)).await.expect("a diff");
    assert_eq!(view.diff.expect("a diff").added, 1);
    app.close().await;
}

#[tokio::test]
async fn versions_to_choose_from_are_the_signed_bundles_and_what_runs_without_one() {
    let world = World::start(&[("gw-1", "v1.signed.json"), ("gw-2", "v2.signed.json")]).await;
    let app = world.app().await;
    app.sweep("eu").await.expect("a sweep");
    let choices = app.bundle_choices("eu").await.expect("choices");
    let mut told: Vec<_> = choices
        .iter()
        .map(|choice| {
            let signed = choice.signed.as_ref().expect("every bundle here is signed");
            assert_eq!(signed.key, "signer");
            (signed.file.as_str(), choice.nodes, choice.desired, choice.shares_version)
        })
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("v1.signed.json", 1, false, false),
            ("v2-other.signed.json", 0, false, true),
            ("v2.signed.json", 1, true, true),
        ]
    );
    app.close().await;
}
