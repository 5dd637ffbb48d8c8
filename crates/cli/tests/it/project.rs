//! A project in a temporary folder, and the binary at work on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::scrub::scrub;

/// A folder with an asof.toml.
pub(crate) struct Project {
    folder: TempDir,
}

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// A project without definitions, which takes little of the machine and any free port.
    pub(crate) fn new() -> Self {
        let project = Project { folder: tempfile::tempdir().unwrap() };
        project.write(
            "asof.toml",
            format!(
                "[project]\nname = \"flights\"\n\n[server]\nlisten = \"127.0.0.1:0\"\n\n[offline]\nthreads = 2\nmemory = \"256MiB\"\n{}",
                project.catalog()
            ),
        );
        project
    }

    /// Where `ASOF_TEST_POSTGRES` names a server: a catalog there, in a schema of its own.
    fn catalog(&self) -> String {
        let Ok(server) = std::env::var("ASOF_TEST_POSTGRES") else { return String::new() };
        let schema =
            self.path().file_name().unwrap().to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let and = if server.contains('?') { '&' } else { '?' };
        format!("\n[catalog]\nurl = \"{server}{and}options[search_path]=t{schema}\"\n")
    }

    /// Its folder.
    pub(crate) fn path(&self) -> PathBuf {
        std::fs::canonicalize(self.folder.path()).unwrap()
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Reads a file below the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The binary in the folder, with none of this process's settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        command(&self.path(), args)
    }

    /// Runs it to its end.
    pub(crate) fn asof(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }

    /// Runs it; anything but success fails the test.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let ended = self.asof(args);
        assert_eq!(ended.code, Some(0), "asof {}: {ended:?}", args.join(" "));
        // No bars and no chatter where nobody looks.
        assert_eq!(ended.stderr, "", "asof {}", args.join(" "));
        ended.stdout
    }

    /// Runs it with `--output json`; anything but success fails the test.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--output", "json"]].concat();
        serde_json::from_str(&self.done(&args)).unwrap()
    }

    /// Runs what must be refused with this exit code; what it said on stderr, scrubbed.
    pub(crate) fn refused(&self, code: i32, args: &[&str]) -> String {
        let ended = self.asof(args);
        assert_eq!(ended.code, Some(code), "asof {}: {ended:?}", args.join(" "));
        assert_eq!(ended.stdout, "", "what is refused answers nothing");
        self.scrub(&ended.stderr)
    }

    /// Without what differs from run to run.
    pub(crate) fn scrub(&self, text: &str) -> String {
        scrub(text, &self.path().display().to_string())
    }

    /// Starts it and goes on.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The binary, with none of this process's settings.
pub(crate) fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_asof"));
    command.current_dir(folder).args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ASOF_") {
            command.env_remove(name);
        }
    }
    command
}

/// Holds what was said for people against what is on record; `INSTA_UPDATE=always` rewrites the record.
#[track_caller]
pub(crate) fn said(name: &str, text: impl AsRef<str>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text.as_ref()));
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
