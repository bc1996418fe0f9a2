use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use servers::MailCatcher;

const MAIL: &str = "From: Landfall <landfall@example.org>\r\n\
    To: =?utf-8?q?M=C3=BCller?= <m@example.org>\r\n\
    Subject: =?utf-8?q?fertig_=E2=9C=93?=\r\n\
    Message-ID: <1@example.org>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: base64\r\n\
    \r\n\
    MTAwIHJlYWRpbmdzCg==\r\n";

fn send(port: u16, mail: &str) {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let expect = |stream: &mut BufReader<TcpStream>, code: &str| {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "{line}");
    };
    expect(&mut stream, "220");
    for (command, code) in [
        ("HELO me\r\n", "250"),
        ("MAIL FROM:<a@example.org>\r\n", "250"),
        ("RCPT TO:<b@example.org>\r\n", "250"),
        ("RCPT TO:<c@example.org>\r\n", "250"),
        ("DATA\r\n", "354"),
    ] {
        stream.get_mut().write_all(command.as_bytes()).unwrap();
        expect(&mut stream, code);
    }
    write!(stream.get_mut(), "{mail}.\r\n").unwrap();
    expect(&mut stream, "250");
}

#[tokio::test]
async fn a_mail_is_kept_as_it_came_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let catcher = MailCatcher::start(folder.path(), None).await.unwrap();
    assert_eq!(catcher.accepted().unwrap(), 0);
    send(catcher.port(), MAIL);
    assert_eq!(catcher.accepted().unwrap(), 1);
    let mail = catcher.mails().unwrap().remove(0);
    assert_eq!(mail.sender, "a@example.org");
    assert_eq!(mail.receivers, ["b@example.org", "c@example.org"]);
    assert_eq!(mail.headers["Subject"], "fertig ✓");
    assert_eq!(mail.headers["To"], "Müller <m@example.org>");
    assert_eq!(mail.text.as_deref(), Some("100 readings\n"));
    assert_eq!(mail.html, None);
    assert_eq!(catcher.raw(1).unwrap(), MAIL.as_bytes());
    let shown = std::fs::read_to_string(catcher.mails_folder().join("0001.txt")).unwrap();
    assert!(shown.contains("Subject: fertig ✓\n"), "{shown}");
    assert!(shown.ends_with("\n\n100 readings\n"), "{shown}");
}

#[tokio::test]
async fn started_again_it_goes_on_counting() {
    let folder = tempfile::tempdir().unwrap();
    let mut catcher = MailCatcher::start(folder.path(), None).await.unwrap();
    let port = catcher.port();
    send(port, MAIL);
    catcher.kill().await;
    catcher.restart().await.unwrap();
    assert_eq!(catcher.port(), port);
    send(port, MAIL);
    assert_eq!(catcher.accepted().unwrap(), 2);
    assert_eq!(catcher.mails().unwrap()[1].number, 2);
}
