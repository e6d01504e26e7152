//! Runs the command as a user does, in a folder of its own, at a fixed time and in a fixed zone.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The time of all tests: 2023-11-14 22:14:02 in UTC.
pub const NOW: &str = "1700000042";

/// A folder that is removed in the end.
pub struct Folder(PathBuf);

/// What the command did.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// The command has ended with this status and said this on standard error.
    #[track_caller]
    pub fn assert_ended(&self, status: i32, stderr: &str) {
        assert_eq!((self.status, &*self.stderr), (status, stderr));
    }
}

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::named(&format!("{}-{number}", std::process::id()))
    }

    /// A folder with this name, for a value that is never dropped: the next run empties it.
    pub fn named(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the command in the folder.
    pub fn run(&self, args: &[&str], stdin: impl AsRef<[u8]>) -> Outcome {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The command need not read what it is given.
        _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        Outcome {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nginx-auth"));
        command.args(args).current_dir(&self.0);
        command.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The exit status and the error of a command that prints nothing else.
pub fn error(folder: &Folder, args: &[&str], stdin: &[u8]) -> (i32, String) {
    let Outcome {
        status,
        stdout,
        stderr,
    } = folder.run(args, stdin);
    assert_eq!(stdout, "", "{args:?}");
    let message = stderr.strip_prefix("nginx-auth: error: ");
    (status, message.unwrap_or(&stderr).trim_end().to_owned())
}

/// A file of the repository's cases.
pub fn case(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(name)
}
