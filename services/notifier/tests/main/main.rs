//! The notifier as a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

fn notifier(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall-notifier"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LANDFALL_") {
            command.env_remove(name);
        }
    }
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn a_setting_that_only_the_notifier_knows_to_be_wrong_is_one_line_and_2_also_for_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("landfall.toml");
    std::fs::write(folder.path().join("none.pem"), "no certificate").unwrap();
    for (settings, about) in [
        (
            "from = \"a@b@c\"",
            "`notifier.from`: \"a@b@c\" is no mail address",
        ),
        (
            "smtp = { host = \"mx\", ca_file = \"none.pem\" }",
            "`notifier.smtp.ca_file`: none.pem: holds no PEM certificate",
        ),
    ] {
        std::fs::write(&file, format!("[notifier]\n{settings}\n")).unwrap();
        for arguments in [&[][..], &["--check"]] {
            let output = notifier(folder.path(), arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.starts_with(about), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(output.stdout.is_empty());
        }
    }
}
