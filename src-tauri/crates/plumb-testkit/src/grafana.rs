//! A Grafana on loopback, as far as runs of runbooks ask one: dashboards by uid, found by a tag.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What it was asked, and what it shows.
#[derive(Debug, Default)]
pub struct Shown {
    pub dashboards: BTreeMap<String, Value>,
    /// Method and path of every request, in order.
    pub asked: Vec<String>,
    /// Every dashboard that was put, in order.
    pub put: Vec<Value>,
    /// Methods that it answers with an error.
    pub refuses: Vec<&'static str>,
}

impl Shown {
    /// How many requests of a method there were, whether it took them or not.
    pub fn asked_to(&self, method: &str) -> usize {
        self.asked.iter().filter(|asked| asked.starts_with(method)).count()
    }
}

/// It serves until the process ends.
#[derive(Debug, Clone)]
pub struct StandInGrafana {
    url: String,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

impl StandInGrafana {
    /// Starts one that takes this token only.
    ///
    /// # Panics
    /// When there is no port on loopback.
    pub fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let grafana = Self { url: format!("http://{address}/grafana"), shown: Arc::default() };
        let (serving, token) = (grafana.clone(), format!("authorization: bearer {token}"));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.answer(stream, &token);
            }
        });
        grafana
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it shows now.
    ///
    /// # Panics
    /// When a request before was none that a run sends.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.0.lock().expect("nobody panicked")
    }

    /// Waits until this holds, for a minute at most.
    ///
    /// # Panics
    /// When it never does.
    pub fn until(&self, holds: impl Fn(&Shown) -> bool) -> MutexGuard<'_, Shown> {
        let waits = |shown: &mut Shown| !holds(shown);
        let (shown, waited) = self
            .shown
            .1
            .wait_timeout_while(self.shown(), Duration::from_mins(1), waits)
            .expect("nobody panicked");
        assert!(!waited.timed_out(), "it never holds: {shown:#?}");
        shown
    }

    fn answer(&self, mut stream: TcpStream, authorization: &str) {
        let (head, body) = asked(&mut stream);
        let (status, said) = if head.to_lowercase().contains(&authorization.to_lowercase()) {
            self.shown().answer(&head, &body)
        } else {
            (401, json!({ "message": "Unauthorized" }))
        };
        self.shown.1.notify_all();
        let said = said.to_string();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close");
        // Whoever asked may be gone.
        let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{said}", said.len());
    }
}

impl Shown {
    fn answer(&mut self, head: &str, body: &[u8]) -> (u16, Value) {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = path.strip_prefix("/grafana").unwrap_or(path);
        self.asked.push(format!("{method} {path}"));
        match method {
            _ if self.refuses.contains(&method) => {
                (500, json!({ "message": "database is locked" }))
            }
            "POST" => {
                let put: Value = serde_json::from_slice(body).expect("a document");
                let dashboard = put["dashboard"].clone();
                let uid = dashboard["uid"].as_str().expect("a uid").to_owned();
                assert!(uid.len() <= 40 && put["overwrite"] == true, "{put}");
                self.put.push(dashboard.clone());
                self.dashboards.insert(uid.clone(), dashboard);
                (200, json!({ "uid": uid, "status": "success" }))
            }
            "DELETE" => match self.dashboards.remove(path.rsplit('/').next().unwrap_or_default()) {
                Some(_) => (200, json!({ "message": "deleted" })),
                None => (404, json!({ "message": "Dashboard not found" })),
            },
            _ => {
                let tag = path.split("tag=").nth(1).and_then(|tag| tag.split('&').next());
                let tagged = self.dashboards.values().filter(|one| {
                    let mut tags = one["tags"].as_array().into_iter().flatten();
                    tags.any(|one| one.as_str() == tag)
                });
                (200, tagged.cloned().collect())
            }
        }
    }
}

/// The head of a request as text, and its body.
fn asked(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let count = stream.read(&mut piece).unwrap_or_default();
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|rest| {
                rest.split_whitespace().next().and_then(|length| length.parse::<usize>().ok())
            });
            if bytes.len() >= end + 4 + length.unwrap_or_default() {
                return (head, bytes[end + 4..].to_vec());
            }
        }
        if count == 0 {
            return (String::from_utf8_lossy(&bytes).into_owned(), Vec::new());
        }
    }
}
