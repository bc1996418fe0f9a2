use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use proto::User;
use servers::Nats;
use servers::nats::{Access, Options};

/// Connects, logs in and sends `lines`; answers what the server said up to `end`, or until it hung
/// up.
fn talk_until(end: &str, port: u16, user: Option<(&str, &str)>, lines: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let timeout = Some(Duration::from_secs(20));
    stream.get_mut().set_read_timeout(timeout).unwrap();
    let mut said = String::new();
    stream.read_line(&mut said).unwrap();
    said.clear();
    let login = match user {
        Some((user, password)) => format!(r#","user":"{user}","pass":"{password}""#),
        None => String::new(),
    };
    let connect = format!("CONNECT {{\"verbose\":false{login}}}\r\n{lines}PING\r\n");
    stream.get_mut().write_all(connect.as_bytes()).unwrap();
    while !said.contains(end) && stream.read_line(&mut said).unwrap() > 0 {}
    said
}

pub(crate) fn talk(port: u16, user: Option<(&str, &str)>, lines: &str) -> String {
    talk_until("PONG\r\n", port, user, lines)
}

/// Asks `JetStream`, with everybody's rights; answers what came up to `end`.
fn ask(port: u16, subject: &str, body: &str, end: &str) -> String {
    let lines = format!("SUB r 1\r\nPUB {subject} r {}\r\n{body}\r\n", body.len());
    talk_until(end, port, None, &lines)
}

#[tokio::test]
async fn the_system_user_reaches_the_system_account() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), Options::default())
        .await
        .unwrap();
    let ping = "SUB r 1\r\nPUB $SYS.REQ.SERVER.PING r 0\r\n\r\n";
    let answer = talk_until("statsz", nats.port(), nats.system(), ping);
    assert!(answer.contains("\"name\":\"landfall\""), "{answer}");
    let refused = talk(nats.port(), Some(("system", "wrong")), "");
    assert!(refused.contains("Authorization Violation"), "{refused}");
}

#[tokio::test]
async fn an_open_server_takes_everybody_and_serves_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        access: Access::Open,
        monitoring: true,
        ..Options::default()
    };
    let nats = Nats::start(folder.path(), options).await.unwrap();
    assert_eq!(
        talk(nats.port(), None, "PUB anything 0\r\n\r\n"),
        "PONG\r\n"
    );
    assert_eq!(nats.password(User::Mover), None);
    let monitoring = nats.monitoring_url().unwrap();
    let mut stream = TcpStream::connect(monitoring.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET /varz HTTP/1.0\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    for set in ["\"sync_always\": true", "\"auth_timeout\": 5,"] {
        assert!(answer.contains(set), "{answer}");
    }
}

#[tokio::test]
async fn killed_and_started_again_it_has_its_port_and_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        access: Access::Open,
        ..Options::default()
    };
    let mut nats = Nats::start(folder.path(), options).await.unwrap();
    let (port, pid) = (nats.port(), nats.pid());
    let stream = r#"{"name":"S","subjects":["s"]}"#;
    ask(port, "$JS.API.STREAM.CREATE.S", stream, "\"config\"");
    let stored = ask(port, "s", "hi", "\"seq\"");
    assert!(stored.contains("\"seq\":1"), "{stored}");
    nats.kill().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    // Also from another thread.
    let restarted = tokio::spawn(async move { nats.restart().await.map(|()| nats) });
    let nats = restarted.await.unwrap().unwrap();
    assert_eq!(nats.port(), port);
    assert_ne!(nats.pid(), pid);
    let info = ask(port, "$JS.API.STREAM.INFO.S", "", "\"state\"");
    assert!(info.contains("\"messages\":1,"), "{info}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        more: "no_such_setting: 1\n".to_owned(),
        ..Options::default()
    };
    let error = Nats::start(folder.path(), options).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("nats ended with exit status: 1"), "{text}");
    assert!(text.contains("no_such_setting"), "{text}");
}
