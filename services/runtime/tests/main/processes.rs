//! A service as a process: `examples/smallest.rs`.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::{Data, User, consumer};

use crate::bed::{Bed, get, until};
use crate::events::{file, ingested, publish};

struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        until("the process ends", async || self.child.try_wait().unwrap()).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, as it is now: `cargo test` with a name of a test does not build examples.
fn smallest() -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap();
        let mut build = Command::new(env!("CARGO"));
        // Of the whole workspace: of this package alone it would be built anew, with all that it
        // depends on, for other features.
        build.args(["build", "--quiet", "--workspace", "--example", "smallest"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.env("CARGO_TARGET_DIR", folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "{build:?}");
        folder.join("examples/smallest")
    });
    let mut command = Command::new(&*BUILT);
    command.env_clear().current_dir("/");
    command
}

fn spawn(bed: &Bed, more: &[(&str, &str)]) -> Process {
    let log = bed.folder().join("smallest.log");
    let file = std::fs::File::create(&log).unwrap();
    let child = smallest()
        .envs(bed.variables(User::Mover))
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
    Process { child, log }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_work_in_progress_end_and_exits_with_0() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut process = spawn(&bed, &[]);
        let key = format!("slow-{signal}.csv");
        publish(&ingest, &ingested(&key)).await;
        let jetstream = bed.jetstream(User::Operator).await;
        until("it is worked on", async || {
            let consumer = jetstream.get_consumer_from_stream("mover", "FILES").await;
            let consumer: async_nats::jetstream::consumer::PullConsumer = consumer.unwrap();
            (consumer.cached_info().num_ack_pending == 1).then_some(())
        })
        .await;
        process.signal(signal);
        assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
        let moved = bed.events("moved").await;
        assert!(moved.iter().any(|event| event.about().0.key == key));
        bed.wait_until_done(&consumer::mover()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_not_with_0() {
    let bed = Bed::new(&[("SERVICE__DRAIN", "1h"), ("NATS__ACK_WAIT", "1h")]).await;
    let mut process = spawn(&bed, &[]);
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("never.csv")).await;
    let jetstream = bed.jetstream(User::Operator).await;
    until("it is worked on", async || {
        let consumer = jetstream.get_consumer_from_stream("mover", "FILES").await;
        let consumer: async_nats::jetstream::consumer::PullConsumer = consumer.unwrap();
        (consumer.cached_info().num_ack_pending == 1).then_some(())
    })
    .await;
    process.signal(Signal::SIGTERM);
    until("it has heard", async || {
        process.log().contains("stopping").then_some(())
    })
    .await;
    assert!(process.child.try_wait().unwrap().is_none());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_a_message_ends_each_time_gets_rid_of_it() {
    let bed = Bed::new(&[]).await;
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("crash.csv")).await;
    let mut crashes = 0;
    let mut process = spawn(&bed, &[]);
    let failed = until("failed", async || {
        if let Some(status) = process.child.try_wait().unwrap() {
            assert_eq!(status.signal(), Some(6), "{}", process.log());
            crashes += 1;
            process = spawn(&bed, &[]);
        }
        bed.events("failed").await.pop()
    })
    .await;
    assert_eq!(crashes, 3);
    assert!(matches!(&failed.data, Data::Failed(failed) if failed.reason.contains("crash loop")));
    publish(&ingest, &ingested("sound.csv")).await;
    bed.wait_for_events("moved", 1).await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.code(), Some(0));
}

/// A key that would be two lines and a colour, were it written as it is.
const HOSTILE: &str = "broken\nline \u{1b}[31m \" ü.csv";

/// What the process writes while it gives up on [`HOSTILE`].
async fn log_of_a_failure(bed: &Bed, more: &[(&str, &str)]) -> String {
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested(HOSTILE)).await;
    let mut process = spawn(bed, more);
    bed.wait_for_events("failed", 1).await;
    process.signal(Signal::SIGTERM);
    process.ended().await;
    process.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_where_asked_for_and_name_file_and_key() {
    let bed = Bed::new(&[]).await;
    let more = [
        ("LANDFALL_SERVICE__LOG", "json"),
        ("LANDFALL_SERVICE__LOG_LEVEL", "debug"),
    ];
    let log = log_of_a_failure(&bed, &more).await;
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let given_up: Vec<_> = lines
        .iter()
        .filter(|line| line["message"] == "given up")
        .collect();
    assert_eq!(given_up.len(), 1, "{log}");
    assert_eq!(given_up[0]["level"], "ERROR");
    let span = &given_up[0]["span"];
    assert_eq!(span["stream"], "FILES");
    assert_eq!(span["key"], HOSTILE);
    assert_eq!(span["file"], file(HOSTILE).id.to_string());
    assert!(
        given_up[0]["reason"]
            .as_str()
            .unwrap()
            .contains("is broken")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_line_for_people_is_one_line_whatever_the_key() {
    let bed = Bed::new(&[]).await;
    let log = log_of_a_failure(&bed, &[]).await;
    assert!(!log.contains('\u{1b}'), "{log}");
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("given up"))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(&file(HOSTILE).id.to_string()), "{log}");
    assert!(lines[0].contains("is broken"), "{log}");
    for line in log.lines() {
        assert!(line.starts_with("20"), "not the start of a line: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_makes_up_for_a_lost_stream_it_publishes_again_what_that_held() {
    for point in [
        "journal.unmark.before",
        "journal.unmark.after",
        "journal.replace.before@stream/",
        "journal.replace.after@stream/",
    ] {
        let bed = Bed::open(&[]).await;
        let ingest = bed.jetstream(User::Ingest).await;
        let mut process = spawn(&bed, &[]);
        publish(&ingest, &ingested("a.csv")).await;
        bed.wait_for_events("moved", 1).await;
        bed.wait_until_done(&consumer::mover()).await;
        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
        ingest.delete_stream("FILES").await.unwrap();
        bed.set_up().await;
        // So that the stream has the sequence of the lost event's mark again.
        for key in ["b.csv", "c.csv", "d.csv"] {
            publish(&ingest, &ingested(key)).await;
        }

        let kill = format!("{point}=kill");
        let mut process = spawn(&bed, &[("LANDFALL_TEST_FAILPOINT", &kill)]);
        assert_eq!(process.ended().await.signal(), Some(9), "{point}");
        let _process = spawn(&bed, &[]);
        bed.wait_for_events("moved", 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_a_line_when_it_begins_and_a_line_when_it_ends() {
    let mut bed = Bed::new(&[]).await;
    let port = servers::Port::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let mut process = spawn(&bed, &[("LANDFALL_SERVICE__LISTEN", &address)]);
    let ingest = bed.jetstream(User::Ingest).await;
    for index in 0..8 {
        publish(&ingest, &ingested(&format!("slow-{index}.csv"))).await;
    }
    let jetstream = bed.jetstream(User::Operator).await;
    until("all are worked on", async || {
        let consumer = jetstream.get_consumer_from_stream("mover", "FILES").await;
        let consumer: async_nats::jetstream::consumer::PullConsumer = consumer.unwrap();
        (consumer.cached_info().num_ack_pending == 8).then_some(())
    })
    .await;
    bed.nats.kill().await;
    // Time in which each of the eight meets the outage several times, which nothing shows.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    bed.nats.restart().await.unwrap();
    bed.wait_for_events("moved", 8).await;
    bed.wait_until_done(&consumer::mover()).await;
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.code(), Some(0));
    let log = process.log();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let begun = lines("outage: waiting for it to end");
    // While JetStream still reads its files there may be a second, short one.
    assert!((1..=2).contains(&begun), "{log}");
    assert_eq!(lines("outage over"), begun, "{log}");
    // The library would have one for each attempt to connect again.
    assert_eq!(lines(" ERROR "), 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_shows_the_configuration_and_wrong_settings_end_it_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("landfall.toml");
    std::fs::write(&file, "[nats]\npassword = \"s3cret\"\nreplicas = 3\n").unwrap();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = smallest();
        command.current_dir(folder.path());
        command.args(arguments).envs(variables.iter().copied());
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    // `landfall.toml` of this folder is read by itself.
    let (code, shown, wrong) = run(&["--check"], &[("LANDFALL_SERVICE__SLOTS", "7")]);
    assert_eq!((code, wrong.as_str()), (Some(0), ""));
    assert!(shown.contains("replicas = 3\n"), "{shown}");
    assert!(shown.contains("slots = 7\n"), "{shown}");
    assert!(shown.contains("password = \"***\"\n"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");

    let (code, shown, wrong) = run(&["--check"], &[("LANDFALL_SERVICE__SLOTS", "0")]);
    assert_eq!((code, shown.as_str()), (Some(2), ""));
    assert_eq!(
        wrong,
        "LANDFALL_SERVICE__SLOTS: `service.slots`: must be at least 1, is 0\n"
    );
    for (arguments, variables) in [
        (&["--config", "/nowhere.toml"][..], &[][..]),
        (&[], &[("LANDFALL_CONFIG", "/nowhere.toml")]),
    ] {
        let (code, _, wrong) = run(arguments, variables);
        assert_eq!(code, Some(2));
        let expected = "cannot read /nowhere.toml: No such file or directory (os error 2)\n";
        assert_eq!(wrong, expected);
    }
    assert_eq!(run(&["--colour"], &[]).0, Some(2));
    assert_eq!(run(&["--help"], &[]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_one_line_and_ends_it_with_1() {
    let bed = Bed::new(&[]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut process = spawn(&bed, &[("LANDFALL_SERVICE__LISTEN", &address)]);
    assert_eq!(process.ended().await.code(), Some(1));
    let line = format!("`service.listen`: cannot listen on {address}");
    assert!(process.log().contains(&line), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_serves_its_probes_and_metrics() {
    let bed = Bed::new(&[]).await;
    let port = servers::Port::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let mut process = spawn(&bed, &[("LANDFALL_SERVICE__LISTEN", &address)]);
    let ready = until("ready", async || {
        let answer = get(port.number(), "/readyz").await?;
        (answer.0 == 200).then_some(answer.1)
    })
    .await;
    assert_eq!(ready, "ready\n");
    assert_eq!(get(port.number(), "/livez").await.unwrap().0, 200);
    let ingest = bed.jetstream(User::Ingest).await;
    publish(&ingest, &ingested("a.csv")).await;
    bed.wait_until_done(&consumer::mover()).await;
    let metrics = until("it is counted", async || {
        let (_, metrics) = get(port.number(), "/metrics").await?;
        metrics
            .contains("landfall_messages_total")
            .then_some(metrics)
    })
    .await;
    for line in [
        "landfall_messages_total{service=\"mover\",stream=\"FILES\",outcome=\"done\"} 1",
        "landfall_messages_in_progress{service=\"mover\",stream=\"FILES\"} 0",
        "landfall_message_duration_seconds_count{service=\"mover\",stream=\"FILES\"} 1",
        "landfall_events_published_total{service=\"mover\",what=\"moved\"} 1",
        "# TYPE landfall_message_duration_seconds histogram",
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line} in {metrics}"
        );
    }
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended().await.code(), Some(0));
}
