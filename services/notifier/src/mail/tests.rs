//! The mail is read back with a parser that has nothing to do with the one that wrote it.

use std::fmt::Write;

use mail_parser::{Address, MessageParser};
use proptest::prelude::*;
use proto::{Data, User};

use super::*;
use crate::fixtures::{failed, moved, partly, rejected, report, said, time};

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn written(event: &Event) -> Vec<u8> {
    let from = mailbox("Lándfall <landfall@plant.example>");
    let reply_to = mailbox("Help <help@plant.example>");
    let to = [
        mailbox("\"Operations, Süd\" <ops@example.com>"),
        mailbox("b@example.com"),
    ];
    let heading = Heading {
        from: &from,
        reply_to: Some(&reply_to),
        to: &to,
        message_id: "0123456789abcdef0123456789abcdef.0.0@plant.example".to_owned(),
        date: time("2026-11-22T09:10:00.9Z"),
    };
    compose(&heading, event).unwrap()
}

fn moved_of(key: &str) -> Event {
    said(User::Mover, Data::Moved(moved(key, report())))
}

fn addresses(address: Option<&Address<'_>>) -> Vec<(Option<String>, String)> {
    let all = address.unwrap().iter();
    all.map(|one| {
        (
            one.name.as_ref().map(ToString::to_string),
            one.address.as_ref().unwrap().to_string(),
        )
    })
    .collect()
}

fn named(name: &str, address: &str) -> (Option<String>, String) {
    (Some(name.to_owned()), address.to_owned())
}

#[test]
fn another_parser_reads_what_was_written() {
    let bytes = written(&moved_of("incoming/pump-7.csv"));
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(
        addresses(mail.from()),
        [named("Lándfall", "landfall@plant.example")]
    );
    assert_eq!(
        addresses(mail.to()),
        [
            named("Operations, Süd", "ops@example.com"),
            (None, "b@example.com".to_owned())
        ]
    );
    assert_eq!(
        addresses(mail.reply_to()),
        [named("Help", "help@plant.example")]
    );
    assert_eq!(mail.subject(), Some("pump-7.csv: 1,234 readings stored"));
    assert_eq!(
        mail.message_id(),
        Some("0123456789abcdef0123456789abcdef.0.0@plant.example")
    );
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-22T09:10:00Z");
    assert_eq!(
        mail.header_raw("Auto-Submitted").map(str::trim),
        Some("auto-generated")
    );
    assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1));
    assert!(mail.content_type_is("multipart", "alternative"));
    let text = mail.body_text(0).unwrap();
    assert!(
        text.starts_with("pump-7.csv: stored\r\n\r\nThe file was read"),
        "{text}"
    );
    assert!(
        text.contains("\r\nFiled as:\r\n  processed/incoming/pump-7.csv in bucket landing\r\n"),
        "{text}"
    );
    let html = mail.body_html(0).unwrap();
    assert!(
        html.contains("1,234 readings are in the database."),
        "{html}"
    );
}

trait ContentType {
    fn content_type_is(&self, kind: &str, subkind: &str) -> bool;
}

impl ContentType for mail_parser::Message<'_> {
    fn content_type_is(&self, kind: &str, subkind: &str) -> bool {
        use mail_parser::MimeHeaders;
        let content_type = self.parts[0].content_type().unwrap();
        content_type.c_type == kind && content_type.subtype() == Some(subkind)
    }
}

#[test]
fn the_same_mail_is_the_same_bytes() {
    let event = said(User::Mover, Data::Moved(moved("a.csv", partly())));
    assert_eq!(written(&event), written(&event));
}

#[test]
fn a_key_cannot_write_headers_or_html() {
    let key = "incoming/x\r\nBcc: victim@example.com\r\n\r\n<script>alert('1')</script>&amp;\"\u{202e}.csv";
    let bytes = written(&said(User::Mover, Data::Moved(rejected(key))));
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert!(mail.bcc().is_none());
    assert_eq!(mail.headers().len(), 9, "{:?}", mail.headers());
    let html = mail.body_html(0).unwrap();
    assert!(!html.contains("<script"));
    assert!(
        html.contains(
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;&quot;&lt;U+202E&gt;.csv"
        ),
        "{html}"
    );
    let text = mail.body_text(0).unwrap();
    assert!(
        text.contains("x<U+000D><U+000A>Bcc: victim@example.com<U+000D><U+000A>"),
        "{text}"
    );
    // Cells are as foreign as keys.
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn a_mail_loads_nothing_and_links_nowhere() {
    for event in [
        moved_of("a.csv"),
        said(User::Mover, Data::Moved(rejected("a.csv"))),
        said(User::Ingest, Data::Failed(failed("a.csv", User::Ingest))),
    ] {
        let bytes = written(&event);
        let mail = MessageParser::default().parse(&bytes).unwrap();
        let html = mail.body_html(0).unwrap();
        for tag in [
            "<img", "<link", "<script", "<style", "<iframe", "src=", "href=", "url(",
        ] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
        assert_eq!(
            html.matches("<table").count(),
            html.matches("</table>").count()
        );
        assert_eq!(html.matches("<tr>").count(), html.matches("</tr>").count());
        assert_eq!(
            html.matches("<bdi>").count(),
            html.matches("</bdi>").count()
        );
    }
}

#[test]
fn an_event_that_no_mail_is_about_is_named() {
    let from = mailbox("landfall@plant.example");
    let heading = Heading {
        from: &from,
        reply_to: None,
        to: &[],
        message_id: "x@plant.example".to_owned(),
        date: time("2026-11-22T09:10:00Z"),
    };
    let arrived = proto::event::Arrived {
        file: crate::fixtures::file("a.csv"),
        replay: 0,
        found_by: proto::event::FoundBy::Sweep,
    };
    let wrong = compose(&heading, &said(User::Watcher, Data::Arrived(arrived))).unwrap_err();
    assert_eq!(
        wrong,
        "no mail is about `arrived`; expected `moved` or `failed`"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a key or a reason holds: ASCII lines of at most 998 characters (RFC 5322, 2.1.1),
    /// no header that was not meant, encoded words of at most 75 (RFC 2047, 2), and a subject that
    /// the other parser reads as it was told.
    #[test]
    fn every_mail_is_within_the_limits(key in "[\\s\\S]{1,200}|(\\PC){1,200}", reason in "[\\s\\S]{0,300}") {
        let mut about = rejected(&key);
        about.rejected = Some(reason);
        let event = said(User::Mover, Data::Moved(about));
        let subject = story::story(&event).unwrap().subject;
        let bytes = written(&event);
        prop_assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes.clone()).unwrap();
        prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "a bare line break");
        for line in text.split("\r\n") {
            prop_assert!(line.len() <= 998, "{} long", line.len());
        }
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        for word in head.split_whitespace().filter(|word| word.starts_with("=?")) {
            prop_assert!(word.len() <= 75, "{word}");
        }
        let mail = MessageParser::default().parse(&bytes).unwrap();
        prop_assert_eq!(mail.headers().len(), 9);
        prop_assert_eq!(mail.subject().unwrap(), collapsed(&subject));
        prop_assert_eq!(mail.text_body_count(), 1);
    }
}

/// Unfolding leaves one space where several stood.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let _ = write!(
            collapsed,
            "{}{word}",
            if collapsed.is_empty() { "" } else { " " }
        );
    }
    collapsed
}
