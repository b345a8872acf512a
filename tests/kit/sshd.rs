//! A private sshd on loopback, and the `ssh` that gets in.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::program::{Program, Running};
use super::{eventually, tools};

/// A running sshd that lets our own user in with a key.
pub struct Sshd {
    dir: PathBuf,
    port: u16,
    server: Option<Running>,
}

impl Sshd {
    /// Makes keys and configuration in `dir` and starts.
    pub fn start_in(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        for name in ["host_key", "key"] {
            let file = dir.join(name);
            let args = ["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()];
            Program::new(Path::new("/usr/bin/ssh-keygen"), dir).args(args).run().ok();
        }
        fs::copy(dir.join("key.pub"), dir.join("authorized_keys")).unwrap();
        let mut sshd = Self { dir: dir.into(), port: 0, server: None };
        sshd.restart("");
        sshd
    }

    /// Starts again, with `extra` lines of sshd_config.
    pub fn restart(&mut self, extra: &str) {
        self.stop();
        self.port = tools::free_port();
        self.write_configuration(extra);
        let config = self.dir.join("sshd_config");
        let args = ["-D", "-e", "-f", config.to_str().unwrap()];
        let server = Program::new(Path::new("/usr/sbin/sshd"), &self.dir).args(args);
        self.server = Some(server.start_logging_to(&self.dir.join("sshd.log")));
        eventually("sshd answers", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Stops listening.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Cuts the connections that there are; new ones are let in. Gives how many there were.
    pub fn cut_connections(&self) -> usize {
        let server = self.server.as_ref().unwrap().id();
        let connections = children_of(server);
        for connection in &connections {
            // What serves the connection may run below the process that guards it.
            for process in children_of(*connection).into_iter().chain([*connection]) {
                let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
            }
        }
        connections.len()
    }

    /// How many connections it has let in so far, before a restart too.
    pub fn connections(&self) -> usize {
        fs::read_to_string(self.dir.join("sshd.log")).unwrap().matches("Accepted publickey").count()
    }

    /// The `ssh_command` that reaches this sshd; also after a restart.
    pub fn command(&self) -> String {
        format!("ssh -F {} database", self.dir.join("config").display())
    }

    fn write_configuration(&self, extra: &str) {
        let (dir, port, user) = (self.dir.display(), self.port, tools::user());
        let server = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {dir}/host_key\n\
             AuthorizedKeysFile {dir}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nMaxStartups 100\n{extra}\n"
        );
        let client = format!(
            "Host *\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {dir}/key\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {dir}/known_hosts\n  BatchMode yes\n  LogLevel ERROR\n"
        );
        let host_key = fs::read_to_string(self.dir.join("host_key.pub")).unwrap();
        fs::write(self.dir.join("sshd_config"), server).unwrap();
        fs::write(self.dir.join("config"), client).unwrap();
        fs::write(self.dir.join("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
    }
}

fn children_of(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
