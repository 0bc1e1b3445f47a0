//! The JSON schema of the fleet file is what its types say today.

use std::{env, fs, path::Path};

use plumb_fleet::{Fleet, FleetFile};

/// The fleet file that the help shows: every kind of entry once.
const EXAMPLE: &str = include_str!("fleet.toml");

#[test]
fn the_schema_in_assets_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/schemas/fleet.json");
    let schema = schemars::schema_for!(FleetFile);
    let fresh = serde_json::to_string_pretty(&schema).expect("a schema serialises") + "\n";
    if env::var_os("PLUMBLINE_WRITE_SCHEMAS").is_some() {
        fs::write(&path, &fresh).expect("assets can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "stale: run this test with PLUMBLINE_WRITE_SCHEMAS=1");
}

#[test]
fn the_example_is_a_fleet_file() {
    let fleet = Fleet::parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(fleet.nodes.len(), 3);
    assert_eq!(fleet.thresholds.digest_age_s, 900);
    let printed = FleetFile::parse(EXAMPLE).expect("valid").to_toml();
    assert_eq!(Fleet::parse(&printed).expect("a printed file reads back"), fleet);
}

#[test]
fn fleet_files_in_the_help_are_fleet_files() {
    let help = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/help");
    for page in fs::read_dir(help).into_iter().flatten() {
        let page = page.expect("an entry").path();
        let text = fs::read_to_string(&page).unwrap_or_default();
        let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.starts_with("name = ")) {
            Fleet::parse(block).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        }
    }
}

#[test]
fn every_field_of_the_example_is_in_the_schema() {
    let schema = schemars::schema_for!(FleetFile).to_value().to_string();
    for line in EXAMPLE.lines() {
        if let Some((key, _)) = line.split_once(" = ") {
            let key = key.trim_start_matches("# ").trim();
            assert!(schema.contains(&format!("\"{key}\"")), "{key} is not in the schema");
        }
    }
}

#[test]
fn a_fleet_file_of_ten_thousand_nodes_is_read_at_once() {
    // Naming the line of every node cost 20 s here before it was only done for errors.
    let node = |n| format!("[[node]]\nid = \"n{n}\"\napi = \"reload\"\nurl = \"http://n{n}:1\"\n");
    let nodes: Vec<String> = (0..10_000).map(node).collect();
    let text = format!("name = \"large\"\n{}", nodes.concat());
    assert_eq!(Fleet::parse(&text).expect("valid").nodes.len(), 10_000);
    let error = Fleet::parse(&text.replace("http://n9999", "ftp://n9999")).expect_err("refused");
    assert!(error.to_string().starts_with("line 39998: node n9999: url"), "{error}");
}
