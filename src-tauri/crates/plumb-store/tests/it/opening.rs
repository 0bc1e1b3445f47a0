//! Files are opened, shared, set aside when damaged, and refused when newer.

use std::{fs, path::Path};

use plumb_store::{Database, Kind, Notice, StoreError, fleets};

use crate::support::{Files, at, fleet};

async fn add_fleet(database: &Database) {
    let mut tx = database.write().await.expect("begins");
    fleets::add(&mut tx, &fleet(), Path::new("/etc/plumb/edge-eu.toml"), at(0))
        .await
        .expect("adds");
    tx.commit().await.expect("commits");
}

async fn fleets_of(database: &Database) -> usize {
    let mut tx = database.read().await.expect("begins");
    fleets::list(&mut tx).await.expect("lists").len()
}

/// Opens a file that holds some bytes, and answers with the notice.
async fn check_set_aside(files: &Files, kind: Kind, bytes: &[u8]) -> Notice {
    let path = files.path(kind);
    fs::write(&path, bytes).expect("writes");
    let opened = Database::open(&path, kind).await.expect("opens anew");
    let [notice] = &opened.notices[..] else { panic!("one notice: {:?}", opened.notices) };
    assert_eq!(fs::read(&notice.set_aside).expect("is still there"), bytes);
    assert_eq!(opened.database.quick_check().await.expect("checks"), Vec::<String>::new());
    notice.clone()
}

#[tokio::test]
async fn a_new_file_is_migrated_and_sound() {
    let files = Files::new();
    for kind in [Kind::Cache, Kind::Record] {
        let database = files.open(kind).await;
        assert_eq!(database.quick_check().await.expect("checks"), Vec::<String>::new());
        database.close().await;
        files.open(kind).await;
    }
}

#[tokio::test]
async fn a_file_of_garbage_is_set_aside_and_named() {
    let files = Files::new();
    let notice = check_set_aside(&files, Kind::Record, &[0x5a; 10_000]).await;
    let text = notice.to_string();
    assert!(text.contains("THE RECORD STARTS EMPTY"), "{text}");
    assert!(text.contains(&notice.set_aside.display().to_string()), "{text}");
    let again = check_set_aside(&files, Kind::Record, &[0x33; 10_000]).await;
    assert_ne!(again.set_aside, notice.set_aside, "the first damaged file is not overwritten");
}

#[tokio::test]
async fn a_file_with_another_schema_is_set_aside() {
    let files = Files::new();
    let path = files.path(Kind::Cache);
    files.open(Kind::Record).await.close().await;
    fs::copy(files.path(Kind::Record), &path).expect("copies");
    let opened = Database::open(&path, Kind::Cache).await.expect("opens anew");
    assert_eq!(opened.notices.len(), 1);
    assert_eq!(opened.notices[0].kind, Kind::Cache);
}

#[tokio::test]
async fn a_truncated_file_is_found_by_the_check_and_replaced() {
    let files = Files::new();
    let database = files.open(Kind::Record).await;
    add_fleet(&database).await;
    database.close().await;
    let path = files.path(Kind::Record);
    let bytes = fs::read(&path).expect("reads");
    fs::write(&path, &bytes[..bytes.len() - 3 * 4_096]).expect("cuts");
    let opened = Database::open(&path, Kind::Record).await.expect("opens");
    // Opening reads little; where it already met the damage, the file was set aside at once.
    let notices = if opened.notices.is_empty() {
        let findings = opened.database.quick_check().await.expect("checks");
        assert_ne!(findings, Vec::<String>::new());
        let replaced = opened.database.replace_damaged(&findings).await.expect("replaces");
        assert_eq!(fleets_of(&replaced.database).await, 0);
        replaced.notices
    } else {
        opened.notices
    };
    assert_eq!(notices.len(), 1);
    assert_eq!(
        fs::read(&notices[0].set_aside).expect("is still there").len(),
        bytes.len() - 3 * 4_096
    );
}

#[tokio::test]
async fn the_file_of_a_newer_program_is_left_alone() {
    let files = Files::new();
    let database = files.open(Kind::Record).await;
    let mut tx = database.write().await.expect("begins");
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'later', 1, x'00', 1)",
    )
    .execute(&mut *tx)
    .await
    .expect("pretends");
    tx.commit().await.expect("commits");
    database.close().await;
    let refused = Database::open(&files.path(Kind::Record), Kind::Record).await;
    assert!(matches!(refused, Err(StoreError::Newer { schema: 9000, .. })), "{refused:?}");
    assert_eq!(fs::read_dir(files.folder.path()).expect("lists").count(), 2, "file and lock");
}

#[tokio::test]
async fn window_and_command_line_see_each_other() {
    let files = Files::new();
    let (window, cli) = (files.open(Kind::Record).await, files.open(Kind::Record).await);
    let before = window.data_version().await.expect("reads");
    add_fleet(&window).await;
    assert_eq!(window.data_version().await.expect("reads"), before, "its own commits are no news");
    assert_eq!(fleets_of(&cli).await, 1);
    let mut tx = cli.write().await.expect("begins");
    assert!(fleets::remove(&mut tx, &fleet(), at(1)).await.expect("removes"));
    tx.commit().await.expect("commits");
    assert_ne!(window.data_version().await.expect("reads"), before);
    assert_eq!(fleets_of(&window).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_wait_for_each_other() {
    let files = Files::new();
    let (window, cli) = (files.open(Kind::Record).await, files.open(Kind::Record).await);
    let write = |database: Database, who: &'static str| async move {
        for n in 0..40 {
            let mut tx = database.write().await.expect("waits instead of failing");
            // Reads before it writes: a deferred transaction would lose here with SQLITE_BUSY_SNAPSHOT.
            let known = fleets::list(&mut tx).await.expect("lists").len();
            let name = plumb_fleet::FleetId::new(format!("{who}-{n}")).expect("a name");
            fleets::add(&mut tx, &name, Path::new("/f.toml"), at(n)).await.expect("adds");
            assert_eq!(fleets::list(&mut tx).await.expect("lists").len(), known + 1);
            tx.commit().await.expect("commits");
        }
    };
    let tasks = [tokio::spawn(write(window.clone(), "window")), tokio::spawn(write(cli, "cli"))];
    for task in tasks {
        task.await.expect("ends well");
    }
    assert_eq!(fleets_of(&window).await, 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_migrate_once() {
    let files = Files::new();
    let path = files.path(Kind::Cache);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { Database::open(&path, Kind::Cache).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("ends").expect("opens").notices, []);
    }
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    let files = Files::new();
    let database = files.open(Kind::Record).await;
    let mut tx = database.write().await.expect("begins");
    fleets::add(&mut tx, &fleet(), Path::new("/f.toml"), at(0)).await.expect("adds");
    drop(tx);
    assert_eq!(fleets_of(&database).await, 0);
    add_fleet(&database).await;
    assert_eq!(fleets_of(&database).await, 1);
}
