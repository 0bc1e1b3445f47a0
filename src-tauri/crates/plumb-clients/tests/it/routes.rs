//! Proxies and tunnels.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
};

use plumb_fleet::{CredentialRef, FailureKind, Node, NodeApi, Route};

use crate::support::{Peer, Reply, node, observed};

fn routed(url: &str, route: Route) -> Node {
    Node { route, ..node(NodeApi::Reload, url) }
}

fn ready(path: &str) -> Reply {
    if path.ends_with("/readyz") {
        Reply::json(200, r#"{"ready":true,"bundle_version":"2.0.0"}"#)
    } else {
        Reply::json(404, "{}")
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_nodes_url() {
    let proxy = Peer::start(|path| {
        assert!(path.starts_with("http://gw-001.invalid:8083/"), "{path}");
        ready(path)
    })
    .await;
    let report = observed(&routed("http://gw-001.invalid:8083", Route::Proxy(proxy.url()))).await;
    assert_eq!(report.expect("through the proxy").version.expect("there").value.as_str(), "2.0.0");
}

#[tokio::test]
async fn a_token_for_localhost_does_not_go_to_a_proxy() {
    let proxy = Peer::start(ready).await;
    let node = Node {
        credential: Some(CredentialRef::Env("PATH".to_owned())),
        ..routed("http://localhost:8083", Route::Proxy(proxy.url()))
    };
    assert_eq!(observed(&node).await.expect_err("refused").kind, FailureKind::Policy);
    assert_eq!(proxy.count(), 0);
}

#[tokio::test]
async fn a_proxy_that_is_no_url_is_named_without_its_password() {
    let node = routed("http://gw.invalid", Route::Proxy("://user:s3cret@".to_owned()));
    let failure = observed(&node).await.expect_err("no proxy");
    assert_eq!(failure.kind, FailureKind::Policy);
    assert!(!failure.message.contains("s3cret"), "{}", failure.message);
}

#[tokio::test]
async fn a_tunnel_that_does_not_start_says_why() {
    let check = async |words: &[&str], expected: &str| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let failure = observed(&routed("http://gw.invalid", Route::Tunnel(words))).await;
        let failure = failure.expect_err("no tunnel");
        assert!(failure.message.contains(expected), "{}", failure.message);
    };
    check(&[], "is empty").await;
    check(&["/nonexistent/ssh", "-D", "{port}"], "does not start").await;
    check(&["sh", "-c", "echo 'no route' >&2; exit 255"], "ended (exit status: 255): no route")
        .await;
}

#[tokio::test]
async fn a_tunnel_is_a_socks_proxy_that_a_command_opens() {
    let peer = Peer::start(ready).await;
    let program = std::env::current_exe().expect("this program");
    let words = [program.to_str().expect("UTF-8"), "routes::acts_as_tunnel", "--exact", "{port}"];
    let words = words.map(str::to_owned).to_vec();
    let report = observed(&routed(&peer.url(), Route::Tunnel(words))).await;
    assert_eq!(report.expect("through the tunnel").version.expect("there").value.as_str(), "2.0.0");
}

/// What the test above starts in a process of its own; alone it has no port and does nothing.
#[test]
fn acts_as_tunnel() {
    let Some(port) = std::env::args().find_map(|word| word.parse::<u16>().ok()) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || socks(stream));
    }
}

/// SOCKS 5 (RFC 1928), CONNECT to an IPv4 address or a name, without authentication.
fn socks(mut client: TcpStream) -> io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head)?;
    client.read_exact(&mut vec![0; head[1].into()])?;
    client.write_all(&[5, 0])?;
    let mut request = [0; 4];
    client.read_exact(&mut request)?;
    let host = if request[3] == 1 {
        let mut address = [0; 4];
        client.read_exact(&mut address)?;
        Ipv4Addr::from(address).to_string()
    } else {
        let mut length = [0];
        client.read_exact(&mut length)?;
        let mut name = vec![0; length[0].into()];
        client.read_exact(&mut name)?;
        String::from_utf8_lossy(&name).into_owned()
    };
    let mut port = [0; 2];
    client.read_exact(&mut port)?;
    let mut node = TcpStream::connect((host, u16::from_be_bytes(port)))?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let (mut up, mut down) = (client.try_clone()?, node.try_clone()?);
    let back = std::thread::spawn(move || {
        let _ = io::copy(&mut down, &mut up);
        let _ = up.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut client, &mut node);
    let _ = node.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}
