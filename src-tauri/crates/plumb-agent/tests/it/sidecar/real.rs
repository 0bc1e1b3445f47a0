//! The same with a real `opa`, where one is on `PATH`.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use plumb_agent::sidecar::OpaMode;

use super::{
    bundle::assert_takes_refuses_and_returns,
    put::assert_takes_refuses_and_restores,
    setting::{Setting, Wanted, pack},
};
use crate::fetch::world::ID;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("opa")).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED {test}: there is no `opa` on PATH, only its replay was asked");
    }
    found
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn run(opa: PathBuf, at: SocketAddr, setting: &Setting, config: &str) -> Running {
    let file = setting.world.folder.path().join("opa-config.json");
    std::fs::write(&file, config).expect("written");
    let mut command = Command::new(opa);
    command.args(["run", "--server", "--addr", &at.to_string(), "--config-file"]).arg(file);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    Running(command.spawn().expect("opa starts"))
}

/// The configuration the help gives.
fn downloads(from: SocketAddr) -> String {
    format!(
        r#"{{"services":{{"plumb":{{"url":"http://{from}"}}}},
        "bundles":{{"{ID}":{{"service":"plumb","resource":"bundles/{ID}",
        "polling":{{"min_delay_seconds":1,"max_delay_seconds":2,"long_polling_timeout_seconds":30}}}}}},
        "status":{{"prometheus":true}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_opa_takes_refuses_and_returns() {
    let Some(opa) = program("a_real_opa_takes_refuses_and_returns") else { return };
    let at = free_address();
    let url = format!("http://{at}");
    let wanted = Wanted::new(&url, OpaMode::Bundle);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    let from = setting.sidecar.bundle_address().expect("it listens");
    let _running = run(opa, at, &setting, &downloads(from));
    setting.begin().await;
    assert_takes_refuses_and_returns(&setting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_opa_takes_modules_one_by_one() {
    let Some(opa) = program("a_real_opa_takes_modules_one_by_one") else { return };
    let at = free_address();
    let url = format!("http://{at}");
    let wanted = Wanted::new(&url, OpaMode::Put);
    let mut setting = Setting::new(&wanted, &pack("1", "true", 365)).await;
    let _running = run(opa, at, &setting, "{}");
    setting.begin().await;
    assert_takes_refuses_and_restores(&setting).await;
}
