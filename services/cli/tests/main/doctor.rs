//! `landfall doctor` before installations of which one thing is broken.

mod bed;
mod gate;
mod stranger;

use std::process::Stdio;
use std::time::Duration;

use async_nats::jetstream::{consumer, stream};
use jiff::SignedDuration;
use proto::{User, user};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use servers::mail::Security;
use servers::{MailCatcher, Nats, nats};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::landfall::{landfall, run, stderr, stdout};
use bed::Bed;
use gate::{Answer, Which};

/// A notification that does not come is not waited for.
const HASTY: &[&str] = &["--patience", "300ms"];

#[tokio::test]
async fn where_nothing_is_wrong_it_says_so_and_leaves_nothing_behind() {
    let bed = Bed::new().await;
    let told = bed.doctor(&[]).await;
    told.is_well()
        .says("ok", &["nats: connection", "as user `operator`"])
        .says("ok", &["nats: stream DELAY"])
        .says("ok", &["nats: clock"])
        .says("ok", &["storage: copy", "\"processed/\", \"rejected/\""])
        .says("ok", &["storage: delete", "\"incoming/\""])
        .says("ok", &["storage: preconditions"])
        .says("ok", &["storage: clock"])
        .says("ok", &["store: journal of mover"])
        .says("ok", &["store: readings"])
        .says("ok", &["smtp: session"])
        .says("ok", &["notifications: of an upload", "storage.versitygw"])
        .says(
            "warn",
            &["nats: consumer mover of FILES", "start landfall-mover"],
        );
    assert!(told.text().ends_with(" skipped\n"), "{}", told.text());
    assert_eq!(bed.keys().await, [""; 0]);
    for stream in ["FILES", "DELAY", "DEAD"] {
        assert_eq!(bed.stored(stream).await, 0, "{stream}");
    }
}

#[tokio::test]
async fn each_user_of_the_contract_finds_what_it_needs() {
    let bed = Bed::new().await;
    let operator = bed.place.nats.password(User::Operator).unwrap().to_owned();
    let mut last = (User::Operator, operator);
    for user in [
        User::Watcher,
        User::Ingest,
        User::Mover,
        User::Notifier,
        User::Setup,
        User::Operator,
    ] {
        let password = bed.place.nats.password(user).unwrap().to_owned();
        bed.edit(
            &format!("user = \"{}\"", last.0),
            &format!("user = \"{user}\""),
        );
        bed.edit(&last.1, &password);
        last = (user, password);
        let told = bed.doctor(&["--as", user.name()]).await;
        told.is_well().says("ok", &["nats: rights"]);
        let (text, has) = (told.text(), |what: &str| told.text().contains(what));
        assert_eq!(has("smtp: session"), user == User::Notifier, "{text}");
        assert_eq!(has("notifications: "), user == User::Operator, "{text}");
        let storage = !matches!(user, User::Notifier | User::Setup);
        assert_eq!(has("storage: "), storage, "{text}");
    }
    assert_eq!(bed.keys().await, [""; 0]);
    for stream in ["FILES", "DELAY", "DEAD"] {
        assert_eq!(bed.stored(stream).await, 0, "{stream}");
    }
}

#[tokio::test]
async fn a_right_that_the_store_withholds_is_named_with_what_it_is_withheld_from() {
    let bed = Bed::new().await;
    let arn = |keys: &str| format!("arn:aws:s3:::{}{keys}", bed.bucket);
    let cases: [(Which, &str, String); 8] = [
        (
            |head| head.contains("?list-type=2"),
            "s3:ListBucket",
            arn("`"),
        ),
        (
            |head| head.contains("?versioning"),
            "s3:GetBucketVersioning",
            arn("`"),
        ),
        (
            |head| head.starts_with("head ") && head.contains("/incoming/"),
            "s3:GetObject",
            arn("/incoming/*"),
        ),
        (
            |head| head.starts_with("get ") && head.contains("/processed/."),
            "s3:GetObject",
            arn("/processed/*"),
        ),
        (
            |head| head.starts_with("put ") && head.contains("/rejected-rows/"),
            "s3:PutObject",
            arn("/rejected-rows/*"),
        ),
        (
            |head| head.contains("x-amz-copy-source:") && head.contains("/rejected/."),
            "s3:PutObjectTagging",
            arn("/rejected/*"),
        ),
        (
            |head| head.starts_with("put ") && head.contains("/incoming/."),
            "s3:PutObject",
            arn("/incoming/*"),
        ),
        (
            |head| head.starts_with("delete ") && head.contains("/incoming/."),
            "s3:DeleteObject",
            arn("/incoming/*"),
        ),
    ];
    for (which, action, on) in cases {
        bed.gate
            .set(|rules| rules.answers = Some((which, Answer::Denied)));
        let told = bed.doctor(HASTY).await;
        told.names(&["storage: ", "access denied; allow ", action, &on]);
    }
    bed.gate.set(|rules| rules.answers = None);
    // What could not be deleted was said to stay behind.
    for key in bed.keys().await {
        assert!(key.starts_with("incoming/.landfall-probe-"), "{key}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_store_as_a_whole_is_one_line() {
    let bed = Bed::new().await;
    bed.gate
        .set(|rules| rules.answers = Some((|_| true, Answer::Elsewhere)));
    bed.doctor(HASTY)
        .await
        .is_wrong(&[
            "storage: list",
            "is in another region: check `[objects] region`",
        ])
        .says("skipped", &["storage: all else in bucket"])
        .says("skipped", &["notifications: ", "nothing can be uploaded"]);
    bed.gate.set(|rules| rules.answers = None);

    bed.edit("secret_key = \"", "secret_key = \"x");
    bed.doctor(HASTY)
        .await
        .is_wrong(&["storage: list", "check `[objects] secret_key`"]);
    bed.edit("secret_key = \"x", "secret_key = \"");

    bed.edit("buckets = [{ name = \"", "buckets = [{ name = \"no-");
    bed.doctor(HASTY)
        .await
        .is_wrong(&["storage: list", "there is no bucket `no-", "create it"]);
    bed.edit("buckets = [{ name = \"no-", "buckets = [{ name = \"");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = closed.local_addr().unwrap().to_string();
    drop(closed);
    bed.edit(&bed.gate.address.to_string(), &nowhere);
    bed.doctor(HASTY)
        .await
        .is_wrong(&["storage: list", &nowhere, "see `objects.endpoint`"])
        .says("skipped", &["storage: all else", "the store is away"]);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_names_the_setting_that_accepts_it() {
    let bed = Bed::new().await;
    let conditional = |head: &str| head.starts_with("delete ") && head.contains("\nif-match:");
    bed.gate
        .set(|rules| rules.answers = Some((conditional, Answer::Done)));
    bed.doctor(&[]).await.is_wrong(&[
        "storage: preconditions",
        "accept_unconditional_delete = true",
    ]);
    bed.edit(
        "objects = ",
        "mover = { accept_unconditional_delete = true }\nobjects = ",
    );
    bed.doctor(&[])
        .await
        .is_well()
        .says("warn", &["storage: preconditions", "are ignored"]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_odd_after_a_minute_and_wrong_after_a_quarter_of_an_hour() {
    let bed = Bed::new().await;
    bed.gate
        .set(|rules| rules.ahead = SignedDuration::from_mins(5));
    bed.doctor(&[])
        .await
        .is_well()
        .says("warn", &["storage: clock", "ahead of this machine's"]);
    bed.gate
        .set(|rules| rules.ahead = SignedDuration::from_hours(-2));
    bed.doctor(&[]).await.is_wrong(&[
        "storage: clock",
        "behind this machine's",
        "set the one right",
    ]);
}

#[tokio::test]
async fn a_store_that_tells_nobody_of_uploads_is_found_out() {
    let bed = Bed::unwired().await;
    bed.doctor(HASTY).await.is_wrong(&[
        "notifications: of an upload to \"incoming/\"",
        "start landfall-watcher",
    ]);
    bed.edit("tokens = [\"t\"], ", "");
    bed.doctor(HASTY).await.is_wrong(&[
        "notifications: ",
        "set `watcher.tokens`",
        "as user `storage`",
    ]);
    assert_eq!(bed.keys().await, [""; 0]);
}

#[tokio::test]
async fn nats_that_cannot_be_used_is_one_line_and_the_rest_is_looked_at() {
    let bed = Bed::new().await;
    bed.edit("password = \"", "password = \"x");
    bed.doctor(HASTY)
        .await
        .is_wrong(&["nats: connection", "mend `nats.user` or `nats.password`"])
        .says("skipped", &["nats: rights, streams"])
        .says("skipped", &["notifications: ", "NATS cannot be used"])
        .says("ok", &["storage: delete"]);

    let old = old_nats().await;
    bed.edit(&bed.place.nats.url(), &old);
    bed.doctor(HASTY)
        .await
        .is_wrong(&["nats: version", "nats-server 2.9.22", "2.12 or later"]);

    bed.edit(&old, "nats://127.0.0.1:1");
    bed.doctor(HASTY)
        .await
        .is_wrong(&["nats: connection", "nats://127.0.0.1:1", "see `nats.url`"]);
}

/// Says that it is older, and is nothing else.
async fn old_nats() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let info = "INFO {\"server_id\":\"x\",\"version\":\"2.9.22\",\"proto\":1,\
                            \"headers\":true,\"max_payload\":1048576}\r\n";
                let _ = writer.write_all(info.as_bytes()).await;
                let mut lines = BufReader::new(reader).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("PING") {
                        let _ = writer.write_all(b"PONG\r\n").await;
                    }
                }
            });
        }
    });
    format!("nats://{address}")
}

#[tokio::test]
async fn a_right_that_nats_withholds_is_named() {
    let bed = Bed::new().await;
    let mut may = user::permissions(User::Mover);
    let missing = "files.*.moved.*";
    may.publish.retain(|subject| subject != missing);
    let open = nats::Options {
        access: nats::Access::Open,
        more: format!(
            "authorization {{ users: [{{ user: mover, password: m, permissions: {{ publish: \
             {{ allow: {:?} }}, subscribe: {{ allow: {:?} }} }} }}, {{ user: all, password: a }}] }}\n",
            may.publish, may.subscribe
        ),
        ..nats::Options::default()
    };
    let folder = bed.place.folder.path().join("narrow");
    let server = Nats::start(&folder, open).await.unwrap();
    bed.edit(&bed.place.nats.url(), &server.url());
    let operator = bed.place.nats.password(User::Operator).unwrap();
    bed.edit(operator, "a");
    bed.edit("user = \"operator\"", "user = \"all\"");
    let done = run(bed.place.folder.path(), &["setup"]).await;
    assert!(done.status.success(), "{}", stderr(&done));
    bed.edit("password = \"a\"", "password = \"m\"");
    bed.edit("user = \"all\"", "user = \"mover\"");
    bed.doctor(&["--as", "mover"]).await.is_wrong(&[
        "nats: rights",
        "user `mover` may not publish to `files.*.moved.*`",
        "add it to `mover_may`",
    ]);
    // As somebody else, it hears no answers.
    bed.doctor(&["--as", "ingest"])
        .await
        .is_wrong(&[
            "nats: rights",
            "_INBOX_ingest.>",
            "let `nats.user` be `ingest`",
        ])
        .says("skipped", &["nats: streams"]);
}

#[tokio::test]
async fn streams_and_consumers_that_differ_are_named_with_what_mends_them() {
    let bed = Bed::new().await;
    let jetstream = bed.jetstream(User::Setup).await;
    let files = jetstream.get_stream("FILES").await.unwrap();
    let shorter = stream::Config {
        max_age: Duration::from_secs(3_600),
        ..files.cached_info().config.clone()
    };
    jetstream.update_stream(shorter).await.unwrap();
    bed.doctor(&[]).await.is_wrong(&[
        "nats: stream FILES: max_age is 3600s instead of 604800s",
        "run `landfall setup`",
    ]);
}

#[tokio::test]
async fn a_consumer_that_differs_is_named() {
    let bed = Bed::new().await;
    let jetstream = bed.jetstream(User::Setup).await;
    let files = jetstream.get_stream("FILES").await.unwrap();
    let mover = files.consumer_info("mover").await.unwrap().config;
    let fewer = consumer::Config {
        max_deliver: mover.max_deliver - 1,
        ..mover
    };
    files.create_consumer(fewer).await.unwrap();
    bed.doctor(&[]).await.is_wrong(&[
        "nats: consumer mover of FILES: max_deliver is ",
        "run `landfall setup`",
    ]);
}

/// That of the mail server is below, with the rest of what it may want.
#[tokio::test]
async fn an_authority_that_is_not_the_servers_is_named_by_its_setting() {
    let bed = Bed::new().await;
    let authority = stranger::authority(bed.place.folder.path());
    let authority = format!("ca_file = \"{}\"", authority.display());
    let server = async |greeting| format!("localhost:{}", stranger::server(greeting).await);

    let store = format!("endpoint = \"http://{}\"", bed.gate.address);
    let secured = format!("{authority}, endpoint = \"https://{}\"", server("").await);
    bed.edit(&store, &secured);
    bed.doctor(HASTY)
        .await
        .is_wrong(&["storage: list", "certificate", "`[objects] ca_file`"]);
    bed.edit(&secured, &store);

    let info = "INFO {\"server_id\":\"x\",\"version\":\"2.12.0\",\"proto\":1,\
                \"headers\":true,\"max_payload\":1048576,\"tls_required\":true}\r\n";
    let nats = format!("url = \"{}\"", bed.place.nats.url());
    let secured = format!("{authority}\nurl = \"tls://{}\"", server(info).await);
    bed.edit(&nats, &secured);
    bed.doctor(HASTY)
        .await
        .is_wrong(&["nats: connection", "certificate", "`nats.ca_file`"]);
    bed.edit(&secured, &nats);

    let node = server("").await.replace("localhost", "127.0.0.1");
    let cql = format!("cql = {{ nodes = [\"{node}\"], tls = true, {authority} }}");
    bed.edit("[store]\n", &format!("[store]\nkind = \"cql\"\n{cql}\n"));
    bed.doctor(HASTY)
        .await
        .is_wrong(&["store: journal of watcher", "`store.cql.ca_file`"])
        .says("skipped", &["store: all else about it"]);
}

#[tokio::test]
async fn a_stream_without_schedules_is_named() {
    let bed = Bed::new().await;
    let folder = bed.place.folder.path().join("fresh");
    let fresh = Nats::start(&folder, nats::Options::default());
    let fresh = fresh.await.unwrap();
    let setup = fresh.password(User::Setup).unwrap().to_owned();
    let client = async_nats::ConnectOptions::with_user_and_password("setup".to_owned(), setup)
        .custom_inbox_prefix(User::Setup.inbox())
        .connect(fresh.url())
        .await
        .unwrap();
    let delay = stream::Config {
        name: "DELAY".to_owned(),
        subjects: vec!["delay.wait.*.*".to_owned(), "delay.due".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        allow_direct: true,
        ..stream::Config::default()
    };
    let jetstream = async_nats::jetstream::new(client);
    jetstream.create_stream(delay).await.unwrap();
    bed.edit(&bed.place.nats.url(), &fresh.url());
    let operator = bed.place.nats.password(User::Operator).unwrap();
    bed.edit(operator, fresh.password(User::Operator).unwrap());
    bed.doctor(HASTY)
        .await
        .names(&["nats: stream DELAY: allow_msg_schedules is false instead of true; run `landfall setup`"])
        .names(&["nats: stream FILES: is missing: run `landfall setup`"])
        .says("skipped", &["nats: consumer mover of FILES"]);
}

#[tokio::test]
async fn databases_that_are_not_there_or_not_ours_are_named() {
    let bed = Bed::new().await;
    let path = bed.place.folder.path().join("data/mover.db");
    let journal = rusqlite::Connection::open(&path).unwrap();
    journal.pragma_update(None, "user_version", 99).unwrap();
    drop(journal);
    bed.doctor(&[])
        .await
        .is_wrong(&["store: journal of mover", "mover.db", "99"])
        .says("ok", &["store: readings"]);
    std::fs::remove_file(&path).unwrap();
    bed.doctor(&[]).await.is_wrong(&[
        "store: journal of mover",
        "is not there: run `landfall setup`",
    ]);
    assert!(!path.exists());
}

#[tokio::test]
async fn mail_servers_that_would_take_no_mail_are_named_with_the_setting() {
    let bed = Bed::new().await;
    let folder = tempfile::tempdir().unwrap();
    let certify = || generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = certify();
    let security = Security {
        certificate: folder.path().join("mail.pem"),
        key: folder.path().join("mail.key"),
        user: "landfall".to_owned(),
        password: "right".to_owned(),
    };
    std::fs::write(&security.certificate, cert.pem()).unwrap();
    std::fs::write(&security.key, signing_key.serialize_pem()).unwrap();
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, certify().cert.pem()).unwrap();
    let ours = security.certificate.display().to_string();
    let mail = MailCatcher::start_secured(&folder.path().join("mail"), security).await;
    let mail = mail.unwrap();
    let text = std::fs::read_to_string(&bed.place.config).unwrap();
    let before = text
        .lines()
        .find(|line| line.starts_with("smtp = "))
        .unwrap();
    let secured = |ca_file: &str, password: &str| {
        format!(
            "smtp = {{ host = \"localhost\", port = {}, tls = \"starttls\", ca_file = \"{ca_file}\", \
             user = \"landfall\", password = \"{password}\" }}",
            mail.port()
        )
    };
    let (right, foreign) = (
        secured(&ours, "right"),
        secured(&stranger.display().to_string(), "right"),
    );
    bed.edit(before, &right);
    bed.doctor(&[])
        .await
        .is_well()
        .says("ok", &["smtp: session", "logged in as `landfall`"]);
    bed.edit(&right, &foreign);
    bed.doctor(&[]).await.is_wrong(&[
        "smtp: session",
        "certificate",
        "see `notifier.smtp.ca_file`",
    ]);
    let mistyped = secured(&ours, "wrong");
    bed.edit(&foreign, &mistyped);
    bed.doctor(&[]).await.is_wrong(&[
        "smtp: session: login",
        "see `notifier.smtp`: user, password",
    ]);
    mail.stop().await;
    bed.doctor(&[]).await.is_wrong(&[
        "smtp: session: connect",
        "see `notifier.smtp`: host, port, tls",
    ]);
    assert_eq!(mail.mails().unwrap(), []);
}

#[tokio::test]
async fn interrupted_it_takes_away_what_it_has_written() {
    let bed = Bed::unwired().await;
    let arguments = ["doctor", "--patience", "10m"];
    let mut command = tokio::process::Command::from(landfall(bed.place.folder.path(), &arguments));
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("smtp: receivers") {
            break;
        }
    }
    while bed.keys().await.is_empty() {}
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGINT).unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("interrupted"),
        "{}",
        stderr(&output)
    );
    assert_eq!(bed.keys().await, [""; 0]);
}

#[tokio::test]
async fn each_check_is_a_line_of_json_too() {
    let bed = Bed::unwired().await;
    let told = bed.doctor(&["--json", "--patience", "300ms"]).await;
    let lines = told.text().lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (
            text("dependency"),
            text("check"),
            text("verdict"),
            text("detail"),
        )
    });
    let wrong: Vec<_> = lines
        .filter(|(_, _, verdict, _)| verdict == "wrong")
        .collect();
    let [(dependency, _, _, detail)] = &wrong[..] else {
        panic!("{wrong:?}");
    };
    assert_eq!(dependency, "notifications");
    assert!(detail.contains("start landfall-watcher"), "{detail}");
}

#[tokio::test]
async fn the_policies_are_what_each_needs_and_need_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[watcher.buckets]]\nname = \"sensors\"\n[store]\nkind = \"cql\"\n";
    std::fs::write(folder.path().join("landfall.toml"), config).unwrap();
    let print = async |arguments: &[&str]| {
        let output = run(folder.path(), &[&["doctor"], arguments].concat()).await;
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let iam = print(&["--print-policy=iam", "--as", "watcher"]).await;
    let iam: serde_json::Value = serde_json::from_str(&iam).unwrap();
    let statements = iam["Statement"].as_array().unwrap();
    let objects = statements
        .iter()
        .find(|statement| statement["Resource"][0] == "arn:aws:s3:::sensors/incoming/*");
    assert_eq!(
        objects.unwrap()["Action"],
        serde_json::json!(["s3:GetObject", "s3:GetObjectVersion"])
    );
    let nats = print(&["--print-policy=nats", "--as", "mover"]).await;
    assert!(nats.starts_with("mover_may {"), "{nats}");
    assert!(!nats.contains("ingest_may"), "{nats}");
    let cql = print(&["--print-policy=cql", "--as", "notifier"]).await;
    assert_eq!(cql.lines().count(), 6, "{cql}");
    let grant = "GRANT MODIFY ON landfall_journal.notifier_agenda TO landfall_notifier;";
    assert!(cql.contains(grant), "{cql}");
    let all = print(&["--print-policy"]).await;
    for part in [
        "# IAM policy of mover",
        "\noperator_may {",
        "\nGRANT CREATE ON ALL",
    ] {
        assert!(all.contains(part), "{all}");
    }
}
