use crate::landfall::{run, stderr, stdout};

#[tokio::test]
async fn what_is_wrong_with_the_command_line_or_the_configuration_ends_with_2_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("wrong.toml"), "[natz]\nurl = \"nats://x\"\n").unwrap();
    std::fs::write(path.join("landfall.toml"), "").unwrap();
    std::fs::write(path.join("a.csv"), "1,2,3\n").unwrap();
    std::fs::create_dir(path.join("b")).unwrap();
    std::fs::write(path.join("b/a.csv"), "4,5,6\n").unwrap();
    for (arguments, about) in [
        (&["put", "a.csv"][..], "no bucket is watched"),
        (&["put", "no.csv", "--bucket", "b"], "no.csv: No such file"),
        (
            &["put", "a.csv", "a.csv", "--bucket", "b", "--key", "k"],
            "--key is for a single file",
        ),
        (
            &["put", "a.csv", "b/a.csv", "--bucket", "b"],
            "a.csv and b/a.csv would both be b/incoming/a.csv",
        ),
        (
            &["put", "a.csv", "--bucket", "b", "--wait"],
            "nobody watches this bucket",
        ),
        (&["--config", "wrong.toml", "check"], "wrong.toml:1"),
        (&["--config", "none.toml", "check"], "none.toml"),
        (
            &["--dir", "nowhere", "follow"],
            "there is no Landfall in nowhere",
        ),
        (
            &["--dir", "nowhere", "--config", "landfall.toml", "follow"],
            "not both",
        ),
        (
            &["readings", "s1"],
            "`store.folder`: there is no database in landfall-data",
        ),
        (
            &[
                "readings",
                "s1",
                "--from",
                "2026-11-02",
                "--until",
                "2026-11-01",
            ],
            "nothing lies between",
        ),
        (
            &[
                "readings",
                "s1",
                "--timezone",
                "Europe/Berlin",
                "--from",
                "2026-10-25T02:30",
            ],
            "--from: 2026-10-25T02:30:00 comes twice or never in Europe/Berlin",
        ),
        (
            &["sensors", "s1", "--from", "2026-10-25"],
            "--from and --until are for --gaps",
        ),
        (&["dev", "--send", "no.csv"], "no.csv: No such file"),
        (&["dev", "--delay", "soon"], "--delay: expected a period"),
        (&["dev", "--config", "wrong.toml"], "wrong.toml:1"),
    ] {
        let output = run(path, arguments).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(about), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    assert!(!path.join("landfall-data").exists());
}

#[tokio::test]
async fn a_server_that_is_away_ends_with_1_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let port = servers::port::Port::free().unwrap();
    let url = format!("nats://127.0.0.1:{}", port.number());
    let text = format!("[nats]\nurl = \"{url}\"\n");
    std::fs::write(folder.path().join("landfall.toml"), text).unwrap();
    for command in ["follow", "setup"] {
        let output = run(folder.path(), &[command]).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&url), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[nats]\npassword = \"hush\"\n[notifier]\ndelay = \"3m\"\n";
    std::fs::write(folder.path().join("landfall.toml"), text).unwrap();
    let output = run(folder.path(), &["check"]).await;
    let shown = stdout(&output);
    assert!(output.status.success());
    assert!(!shown.contains("hush"), "{shown}");
    let shown: toml::Table = shown.parse().unwrap();
    assert_eq!(shown["nats"]["password"].as_str(), Some("***"));
    assert_eq!(shown["notifier"]["delay"].as_str(), Some("3m"));
}

#[tokio::test]
async fn the_configuration_of_a_dev_is_found_from_the_folders_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let (dev, below) = (
        folder.path().join(".landfall/dev"),
        folder.path().join("a/b"),
    );
    std::fs::create_dir_all(&dev).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(dev.join("landfall.toml"), "[notifier]\ndelay = \"7s\"\n").unwrap();
    let output = run(&below, &["check"]).await;
    assert!(
        stdout(&output).contains("delay = \"7s\""),
        "{}",
        stdout(&output)
    );
    // One's own goes before it.
    std::fs::write(below.join("landfall.toml"), "[notifier]\ndelay = \"8s\"\n").unwrap();
    let output = run(&below, &["check"]).await;
    assert!(
        stdout(&output).contains("delay = \"8s\""),
        "{}",
        stdout(&output)
    );
}

#[tokio::test]
async fn a_missing_server_is_one_line_that_says_how_to_install_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = crate::landfall::landfall(folder.path(), &["dev"]);
    command
        .env("LANDFALL_SERVERS", folder.path())
        .env("PATH", "/nonexistent");
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("is not installed; run `make servers`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_sample_is_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "sample",
        "--seed",
        "7",
        "--rows",
        "20",
        "--from",
        "2026-11-01T12:00",
    ];
    let first = stdout(&run(folder.path(), &arguments).await);
    assert_eq!(first.lines().count(), 21);
    assert!(
        first.lines().nth(1).unwrap().contains(",2026-11-01T12:0"),
        "{first}"
    );
    let mut second = arguments.to_vec();
    second.extend(["--output", "s.csv"]);
    assert!(run(folder.path(), &second).await.status.success());
    assert_eq!(
        std::fs::read_to_string(folder.path().join("s.csv")).unwrap(),
        first
    );
}
