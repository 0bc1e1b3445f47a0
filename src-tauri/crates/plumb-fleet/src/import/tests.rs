use super::*;
use crate::fleet::Fleet;

#[track_caller]
fn lines(nodes: Result<Vec<NodeEntry>, ImportError>) -> String {
    let line = |node: NodeEntry| {
        let labels = node.common.labels.iter().map(|(k, v)| format!(" {k}={v}"));
        let group = node.group.map(|group| format!(" [{group}]")).unwrap_or_default();
        let labels = labels.collect::<String>();
        format!("{} {} {}{group}{labels}\n", node.id, node.api.name(), node.url)
    };
    nodes.expect("a valid list").into_iter().map(line).collect()
}

#[test]
fn file_sd_targets_become_nodes() {
    let text = r#"[
        {"targets": ["gw-001.eu:8083", "gw-002.eu:443"],
         "labels": {"region": "eu", "__meta_consul_node": "x", "__scheme__": "https", "job": "policy"}},
        {"targets": ["[2001:db8::1]:8181", "opa.internal"], "labels": {"api": "opa"}},
        {"targets": ["http://127.0.0.1:80/base"], "labels": {"plumb_api": "agent", "api": "x"}},
        {"targets": []}
    ]"#;
    insta::assert_snapshot!(lines(from_file_sd(text)), @r"
    gw-001.eu:8083 reload https://gw-001.eu:8083 job=policy region=eu
    gw-002.eu:443 reload https://gw-002.eu:443 job=policy region=eu
    2001:db8::1:8181 opa http://[2001:db8::1]:8181
    opa.internal opa http://opa.internal
    127.0.0.1:80 agent http://127.0.0.1:80/base
    ");
}

#[test]
fn a_target_that_stands_twice_alike_is_taken_once() {
    let twice = r#"[{"targets": ["a:1", "a:1"]}]"#;
    assert_eq!(from_file_sd(twice).map(|nodes| nodes.len()), Ok(1));
    let unlike = r#"[{"targets": ["a:1"]}, {"targets": ["a:1"], "labels": {"region": "eu"}}]"#;
    assert_eq!(
        from_file_sd(unlike).expect_err("must be refused").to_string(),
        "group 2, target 1: node a:1 stands twice, first in group 1, target 1"
    );
}

#[test]
fn csv_columns_that_mean_nothing_else_are_labels() {
    let text = "\u{feff}id, url ,role,api,group,owner\r\n\
        eu-gw-001,https://gw-001.example:8083,gateway,agent,gateways,\"Smith, Jones \"\"EU\"\"\"\r\n\
        eu-gw-002,http://gw-002.example:8083,,,,\r\n";
    insta::assert_snapshot!(lines(from_csv(text)), @r#"
    eu-gw-001 agent https://gw-001.example:8083 [gateways] owner=Smith, Jones "EU" role=gateway
    eu-gw-002 reload http://gw-002.example:8083
    "#);
    assert_eq!(from_csv("id,url\n").map(|nodes| nodes.len()), Ok(0));
}

#[track_caller]
fn check_error(nodes: Result<Vec<NodeEntry>, ImportError>, expected: &str) {
    let message = nodes.expect_err("must be refused").to_string();
    assert!(message.contains(expected), "{message}");
    assert!(message.len() < 400 && !message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn a_refused_row_is_named() {
    let csv = |row: &str| from_csv(&format!("id,url,role,api\na,http://a,x,\n{row}\n"));
    check_error(csv("<b>,http://b,x,"), "row 3: id: may hold only letters");
    check_error(csv("\u{1b}[2J,http://b,x,"), "row 3: id: may hold only letters");
    check_error(csv(",http://b,x,"), "row 3: id: is empty");
    check_error(csv("b,ftp://b,x,"), "row 3: url: the scheme must be http or https");
    check_error(csv("b,http://u:p@b,x,"), "row 3: url: a user or password");
    check_error(
        csv("b,http://b,\u{202e}\u{7}x,"),
        "row 3: role: holds the control character '\\u{7}'",
    );
    check_error(csv("b,http://b,x,grpc"), "row 3: api: \"grpc\" is not reload");
    check_error(
        csv(&format!("b,http://b,{},", "x".repeat(2_000))),
        "row 3: role: longer than 1024",
    );
    check_error(csv("b,http://b"), "line 3: 2 cells, but the header has 4");
    check_error(csv("a,http://b,x,"), "row 3: node a stands twice, first in row 2");
    check_error(from_csv("id,role\n"), "row 1: url: there is no such column");
    check_error(from_csv("id,url,id\n"), "row 1: id: this column stands twice");
    check_error(from_csv("id,url,\n"), "row 1: labels: a label without a name");
    check_error(from_csv("id,url,<b>\n"), "row 1: labels: the name \"<b>\" may not hold '<'");
    check_error(from_csv(""), "row 1: id: there is no such column");
}

#[test]
fn a_refused_target_is_named() {
    let target = |target: &str| {
        from_file_sd(&format!("[{{\"targets\": [\"ok:1\", {}]}}]", serde_json::json!(target)))
    };
    check_error(target("a b:1"), "group 1, target 2: targets: \"a b:1\": ");
    check_error(target("u:p@host:1"), "a user or password");
    check_error(target("host:1/?x=1"), "a query or fragment");
    check_error(target("host:99999"), "invalid port");
    check_error(target(""), "empty host");
    check_error(target(&"a".repeat(1 << 20)), "group 1, target 2");
    let labels = |labels: &str| from_file_sd(&format!("[{{\"targets\":[],\"labels\":{labels}}}]"));
    check_error(labels(r#"{"api": "grpc"}"#), "group 1: api: \"grpc\" is not reload");
    check_error(labels(r#"{"a b": "x"}"#), "group 1: labels: the name \"a b\" may not hold ' '");
    check_error(labels(r#"{"a": "\u0000"}"#), "group 1: a: holds the control character");
    check_error(labels(r#"{"a": 1}"#), "line 1: invalid type: integer `1`, expected a string");
    check_error(from_file_sd("[\n{\"tragets\":[]}]"), "line 2: unknown field `tragets`");
    check_error(from_file_sd("[{\"\\u001b[2J\":[]}]"), "unknown field");
    check_error(from_file_sd("{"), "line 1: ");
}

#[test]
fn lists_beyond_the_limits_are_refused() {
    let many: Vec<String> = (0..=NODES_MAX).map(|n| format!("n{n},http://host")).collect();
    let many = from_csv(&format!("id,url\n{}", many.join("\n")));
    assert!(matches!(many, Err(ImportError::TooMany { .. })));
    let large = " ".repeat(FLEET_FILE_BYTES_MAX + 1);
    assert!(matches!(from_csv(&large), Err(ImportError::TooLarge { .. })));
    assert!(matches!(from_file_sd(&large), Err(ImportError::TooLarge { .. })));
}

const FILE: &str = r#"
name = "payments-eu"
read_only = true

[[node]]
id = "b"
api = "reload"
url = "http://b:1"
group = "gateways"
credential = { env = "TOKEN" }
labels = { region = "eu", role = "gateway" }

[[node]]
id = "a"
api = "reload"
url = "http://a:1"

[[node]]
id = "gone"
api = "opa"
url = "http://gone:1"

[[group]]
name = "gateways"
"#;

#[test]
fn a_diff_says_what_an_import_changes_before_it_is_saved() {
    let file = FleetFile::parse(FILE).expect("the example is valid");
    let list = "id,api,url,region,zone\na,reload,http://a:1,,\nb,agent,http://b:2,us,1\nc,opa,http://c:1,,\n";
    let name = FleetId::new("payments").expect("valid");
    let (file, diff) = merge(Some(file), name.clone(), from_csv(list).expect("valid"));
    let change =
        |field: &ChangedField| format!("{}: {:?} -> {:?}", field.field, field.from, field.to);
    let changes: Vec<String> =
        diff.changed.iter().flat_map(|node| node.fields.iter().map(change)).collect();
    insta::assert_snapshot!(changes.join("\n"), @r#"
    api: "reload" -> "agent"
    url: "http://b:1" -> "http://b:2"
    labels.region: "eu" -> "us"
    labels.role: "gateway" -> ""
    labels.zone: "" -> "1"
    "#);
    let names = |nodes: &[NodeId]| nodes.iter().map(NodeId::as_str).collect::<String>();
    assert_eq!(names(&diff.added), "c");
    assert_eq!(names(&diff.removed), "gone");
    assert_eq!(names(&diff.unchanged), "a");
    let fleet = Fleet::parse(&file.to_toml()).expect("a merged file is valid");
    assert_eq!(fleet.name, name);
    assert!(fleet.read_only, "what is not a node stays");
    let b = &fleet.nodes[&NodeId::new("b").expect("valid")];
    assert!(b.credential.is_some(), "what a list cannot say stays");
    assert_eq!(file.nodes[0].get_ref().group.as_deref(), Some("gateways"));
}

#[test]
fn importing_again_changes_nothing() {
    let nodes = from_csv("id,url,region\na,http://a:1,eu\nb,http://b:1,\n").expect("valid");
    let name = FleetId::new("new").expect("valid");
    let (file, diff) = merge(None, name.clone(), nodes.clone());
    assert_eq!(diff.added.len(), 2);
    let saved = FleetFile::parse(&file.to_toml()).expect("valid");
    let (again, diff) = merge(Some(saved), name, nodes);
    assert!(diff.is_empty() && diff.unchanged.len() == 2, "{diff:?}");
    assert_eq!(again.to_toml(), file.to_toml());
}
