//! Operations as curl lines that can be copied: the token is `$PLUMB_TOKEN`, never its value.

use plumb_fleet::{Node, Route};

use crate::{
    http::endpoint,
    operations::{Operation, raw::documents},
};

/// The lines that do what an operation does; empty where the node API cannot do it.
pub fn curl(node: &Node, operation: &Operation) -> Vec<String> {
    let Some(request) = operation.request(node.api) else { return Vec::new() };
    let mut words = start(node);
    words.push(format!("-X {}", request.method));
    if let Some(body) = &request.body {
        words.push("-H 'Content-Type: application/json'".to_owned());
        words.push(format!("--data-raw {}", quote(&String::from_utf8_lossy(body))));
    }
    vec![finish(node, words, request.path)]
}

/// One line per document that the console reads of this node.
pub fn curl_reads(node: &Node) -> Vec<String> {
    documents(node.api).iter().map(|path| finish(node, start(node), path)).collect()
}

fn start(node: &Node) -> Vec<String> {
    let mut words = vec!["curl -sS".to_owned()];
    match &node.route {
        Route::Direct => {}
        Route::Proxy(proxy) => words.push(format!("--proxy {}", quote(&without_password(proxy)))),
        Route::Tunnel(_) => {
            words.push("--proxy \"socks5h://127.0.0.1:$PLUMB_TUNNEL_PORT\"".to_owned());
        }
    }
    if let Some(tls) = &node.tls {
        for (flag, file) in
            [("--cacert", &tls.ca), ("--cert", &tls.certificate), ("--key", &tls.key)]
        {
            if let Some(file) = file {
                words.push(format!("{flag} {}", quote(file)));
            }
        }
    }
    if node.credential.is_some() {
        words.push("-H \"Authorization: Bearer $PLUMB_TOKEN\"".to_owned());
    }
    words
}

fn finish(node: &Node, mut words: Vec<String>, path: &str) -> String {
    words.push(quote(endpoint(&node.url, path).as_str()));
    words.join(" ")
}

fn without_password(proxy: &str) -> String {
    let Ok(mut url) = url::Url::parse(proxy) else { return String::new() };
    if url.password().is_some() {
        // Both fail only for URLs that cannot have a user, which then have no password either.
        let _ = url.set_password(None);
    }
    url.to_string()
}

/// A word as a POSIX shell reads it back, whatever it holds.
fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_they_were() {
        assert_eq!(quote("https://h:1/reload"), "https://h:1/reload");
        assert_eq!(quote("/srv/it's $HOME"), "'/srv/it'\\''s $HOME'");
        assert_eq!(quote(""), "''");
        assert_eq!(without_password("http://u:secret@p:1"), "http://u@p:1/");
    }
}
