//! Query files say what they answer, and `.sqlx` describes exactly them: `./prepare.sh` writes it anew.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use plumb_store::Kind;
use sqlx::{Executor as _, SqlSafeStr as _, SqlStr};

use crate::support::Files;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn query_files() -> Vec<PathBuf> {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    };
    list(&root().join("queries")).iter().flat_map(|table| list(table)).collect()
}

#[test]
fn the_first_line_of_every_query_says_what_it_answers() {
    for file in query_files() {
        let text = fs::read_to_string(&file).expect("reads");
        let name = file.strip_prefix(root()).expect("below").display().to_string();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("-- {name}: ")), "{name}: {first}");
    }
}

/// What the build knows of every query is what the migrated files answer.
#[tokio::test]
async fn the_prepared_queries_are_those_of_the_files() {
    let files = Files::new();
    let (cache, record) = (files.open(Kind::Cache).await, files.open(Kind::Record).await);
    let (mut cache, mut record) =
        (cache.read().await.expect("begins"), record.read().await.expect("begins"));
    let mut prepared = BTreeSet::new();
    for entry in fs::read_dir(root().join(".sqlx")).expect("is committed") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("reads");
        let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let query = document["query"].as_str().expect("a query").to_owned();
        let sql = || -> SqlStr { sqlx::AssertSqlSafe(query.clone()).into_sql_str() };
        // A query belongs to the one of the two files that has its tables.
        let described = match (&mut *cache).describe(sql()).await {
            Ok(described) => described,
            Err(_) => (&mut *record).describe(sql()).await.expect("one file answers it"),
        };
        let described = serde_json::to_value(described).expect("serialises");
        assert_eq!(described, document["describe"], "run ./prepare.sh; stale is: {query}");
        prepared.insert(query);
    }
    let written: BTreeSet<String> =
        query_files().iter().map(|file| fs::read_to_string(file).expect("reads")).collect();
    assert!(prepared == written, "run ./prepare.sh: queries were added, changed or removed");
}
