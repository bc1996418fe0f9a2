//! What a program with failpoints does, and one without.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SIGKILL: i32 = 9;

/// The example, built as this test is.
fn with_failpoints() -> Command {
    let test = std::env::current_exe().unwrap();
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).unwrap();
    Command::new(profile.join("examples/publishes"))
}

/// The example, built as releases are, with these features.
fn release(features: &str) -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("release-{features}"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "failpoint"])
        .args(["--example", "publishes", "--features", features])
        .args(["--config", "profile.dev.debug-assertions=false"])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    Command::new(folder.join("debug/examples/publishes"))
}

fn run(mut program: Command, failpoint: &str, log: &Path) -> Output {
    program
        .env("LANDFALL_TEST_FAILPOINT", failpoint)
        .env("LANDFALL_TEST_FAILPOINT_LOG", log)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn log(name: &str) -> PathBuf {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_file(&log);
    log
}

#[test]
fn it_is_killed_at_the_point_and_the_log_says_what_was_hit_until_then() {
    for (failpoint, published, hit) in [
        ("publish.before=kill", "", "publish.before@moved/\n"),
        (
            "publish.after=kill",
            "one\n",
            "publish.before@moved/\npublish.after@moved/\n",
        ),
        (
            "publish.before:3=kill",
            "one\ntwo\n",
            "publish.before@moved/\npublish.after@moved/\npublish.before@replay/moved/\n",
        ),
        (
            "publish.after@replay/=kill",
            "one\ntwo\nthree\n",
            "publish.before@moved/\npublish.after@moved/\n\
             publish.before@replay/moved/\npublish.after@replay/moved/\n",
        ),
        (
            "publish.after@moved/two=kill",
            "one\ntwo\n",
            "publish.before@moved/\npublish.after@moved/\n",
        ),
    ] {
        let log = log("killed");
        let output = run(with_failpoints(), failpoint, &log);
        assert_eq!(output.status.signal(), Some(SIGKILL), "{failpoint}");
        assert_eq!(said(&output).0, published, "{failpoint}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), hit, "{failpoint}");
    }
}

#[test]
fn a_point_that_is_not_hit_changes_nothing() {
    let output = run(
        with_failpoints(),
        "objects.head.before=kill",
        &log("missed"),
    );
    assert!(output.status.success());
    assert_eq!(said(&output).0, "one\ntwo\nthree\n");
}

#[test]
fn a_panic_is_one_that_can_be_caught() {
    let output = run(with_failpoints(), "publish.before=panic", &log("panicked"));
    assert_eq!(output.status.code(), Some(101));
    assert!(said(&output).1.contains("failpoint publish.before"));
}

#[test]
fn what_cannot_be_read_ends_the_program_with_one_line_and_2() {
    let output = run(with_failpoints(), "publish.befor=kill", &log("wrong"));
    assert_eq!(output.status.code(), Some(2));
    let (_, error) = said(&output);
    assert!(error.starts_with("LANDFALL_TEST_FAILPOINT: `publish.befor=kill`"));
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_release_has_no_failpoints() {
    let log = log("released");
    for failpoint in ["publish.before=kill", "nonsense"] {
        let output = run(release(""), failpoint, &log);
        assert!(output.status.success(), "{failpoint}");
        assert_eq!(said(&output), ("one\ntwo\nthree\n".into(), "".into()));
    }
    assert!(!log.exists());
}

#[test]
fn a_release_has_failpoints_where_they_are_asked_for() {
    let output = run(release("failpoints"), "publish.after=kill", &log("asked"));
    assert_eq!(output.status.signal(), Some(SIGKILL));
    assert_eq!(said(&output).0, "one\n");
}
