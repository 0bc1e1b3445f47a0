//! A PostgreSQL server of the tests' own: on loopback, on a free port, gone with the test.
//!
//! The program is Debian's `postgresql`, as `cargo xtask setup` installs it. It refuses to run as root, so root starts it
//! as user `postgres` or `nobody`. A shell stands between: when the test goes away, however, its pipe ends, and the shell
//! ends the server.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

const USER: &str = "plumb";
const PASSWORD: &str = "only-for-tests";
/// Another program may take a free port before the server does.
const STARTS_MAX: usize = 3;
/// Where files cost nothing to sync: a test looks at what becomes of rows, not at disks.
const IN_MEMORY: &str = "/dev/shm";

/// Starts the server, says `up` when it answers, and waits for the signal that ends it.
const SCRIPT: &str = r#"
bin=$1; data=$2; port=$3; answer=$4
"$bin/postgres" -D "$data" -p "$port" </dev/null >>"$data.log" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null; do
  "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -t 1
  if [ $? -le "$answer" ]; then echo up; break; fi
  sleep 0.05
done
how=QUIT
read -r how || how=QUIT
kill -"$how" $pid 2>/dev/null
wait $pid
"#;

/// How a server is brought to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Connections are ended, everything is written.
    Fast,
    /// As a crash: the next start recovers.
    Immediate,
}

/// What a server answers when it is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It lets people in.
    Accepts = 0,
    /// It says that it lets nobody in yet.
    Rejects = 1,
}

/// A server with its files.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    running: Option<(Child, ChildStdin)>,
}

impl Postgres {
    /// A running server, or nothing where the program is not installed; what is skipped then is said loudly.
    pub fn start(skipped: &str) -> Option<Self> {
        let folder = Path::new(IN_MEMORY);
        let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
        Self::start_in(&folder, skipped)
    }

    /// As [`Self::start`], with its files below a folder.
    pub fn start_in(folder: &Path, skipped: &str) -> Option<Self> {
        let Some(bin) = programs() else {
            eprintln!(
                "SKIPPED for want of PostgreSQL: {skipped}; install it with `cargo xtask setup` (Debian: postgresql)"
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("plumb-postgres-").tempdir_in(folder);
        let folder = folder.expect("a folder for a database");
        let owner = owner(&folder);
        let mut server = Self { folder, bin, port: 0, owner, running: None };
        server.init();
        server.run(Answer::Accepts);
        Some(server)
    }

    /// The address of a database of this server.
    pub fn dsn(&self, database: &str) -> String {
        format!("postgresql://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its files.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds a line to its settings, which hold from its next start on.
    pub fn set(&self, line: &str) {
        let path = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("its settings");
        writeln!(text, "{line}").expect("memory takes everything");
        fs::write(&path, text).expect("its settings");
    }

    /// From its next start on it is a standby whose primary cannot be found: it only recovers.
    pub fn recover_for_ever(&self) {
        fs::write(self.data().join("standby.signal"), "").expect("a mark in its folder");
    }

    /// Ends it.
    pub fn stop(&mut self, end: End) {
        let Some((mut child, mut order)) = self.running.take() else { return };
        let signal = match end {
            End::Fast => "INT",
            End::Immediate => "QUIT",
        };
        // A shell that is gone has nothing to end any more.
        let _ = writeln!(order, "{signal}");
        drop(order);
        let _ = child.wait();
    }

    /// Starts it again on the same port, and waits for its answer.
    pub fn run(&mut self, answer: Answer) {
        for _ in 0..STARTS_MAX {
            if self.port == 0 {
                self.port = free_port();
            }
            if self.try_run(answer) {
                return;
            }
            self.stop(End::Immediate);
            self.port = 0;
        }
        let log = fs::read_to_string(self.folder.path().join("data.log")).unwrap_or_default();
        panic!("PostgreSQL does not start:\n{log}");
    }

    fn try_run(&mut self, answer: Answer) -> bool {
        let port = self.port.to_string();
        let data = self.data();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(&self.bin).arg(&data).arg(&port);
        command.arg((answer as i32).to_string());
        self.as_owner(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("sh starts");
        let order = child.stdin.take().expect("a pipe");
        let said = child.stdout.take().expect("a pipe");
        self.running = Some((child, order));
        let mut line = String::new();
        // The server's own output goes to its log, so what comes here is the shell's word, or the end.
        let waited = BufReader::new(said).read_line(&mut line);
        waited.is_ok() && line.trim() == "up"
    }

    fn init(&self) {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).expect("a file for a password");
        if let Some((user, group)) = self.owner {
            chown(&password, Some(user), Some(group)).expect("root gives files away");
        }
        let mut command = Command::new(self.bin.join("initdb"));
        // Over loopback a password may be told as it is: proving it costs a client without optimisation a tenth of a
        // second for each connection.
        command.arg("-D").arg(self.data()).args(["-U", USER, "-A", "password", "-E", "UTF8"]);
        command.args(["--locale=C", "--no-sync", "--no-instructions", "--wal-segsize=4"]);
        command.arg("--pwfile").arg(&password);
        self.as_owner(&mut command);
        let made = command.output().expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        self.set("listen_addresses = '127.0.0.1'");
        self.set("unix_socket_directories = ''");
        self.set("max_connections = 100");
        self.set("shared_buffers = 32MB");
    }

    fn as_owner(&self, command: &mut Command) {
        command.current_dir(self.folder.path());
        // English messages, whatever the machine speaks.
        command.env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop(End::Immediate);
    }
}

/// The newest programs of the server that are installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|entry| {
        let path = entry.ok()?.path();
        let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let bin = path.join("bin");
        bin.join("initdb").is_file().then_some((version, bin))
    });
    folders.max().map(|(_, bin)| bin)
}

/// Whom root starts it as, and gives its folder to; nobody else may be somebody else.
fn owner(folder: &TempDir) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let me = fs::metadata(folder.path()).expect("its folder").uid();
    if me != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("users of this machine");
    let user = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let (user, group) = user("postgres").or_else(|| user("nobody")).expect("a user without rights");
    chown(folder.path(), Some(user), Some(group)).expect("root gives folders away");
    Some((user, group))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    listener.local_addr().expect("an address").port()
}
