//! The wire to the mail server breaks at every byte of the dialogue, in both directions.

use proto::event::MailOutcome::{self, Accepted, Unknown};
use runtime::config::notifier::Tls as Wanted;

use super::single::{Clock, End, config, send};
use crate::smtp::relay::{Break, How, Relay, Way};
use crate::smtp::scripted::{Act, On, Server, Tls, Turn};

/// Agrees in as many words as the protocol allows.
fn wordy(turn: &Turn<'_>) -> Act {
    let words = match turn.on {
        On::Connect => "220-mx.test ESMTP\r\n220-No time-outs promised\r\n220",
        On::Mail => "250-2.1.0 that one\r\n250-2.1.0 is\r\n250 2.1.0 welcome",
        On::Rcpt => "250-2.1.5 ok\r\n250 2.1.5 goes there",
        On::Data => "354-end with a dot\r\n354 on a line of its own",
        On::Body => "250-2.0.0 queued\r\n250 2.0.0 as 1",
        _ => return Act::Agree,
    };
    Act::Say(words.to_owned())
}

struct Rig {
    server: Server,
    relay: Relay,
    clock: Clock,
    config: runtime::Config,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// A server behind a wire that passes on `most` bytes at a time.
    async fn new(tls: Tls, wanted: Wanted, most: usize) -> Self {
        let server = Server::start(tls, wordy).await;
        let clock = Clock::default();
        let flies = clock.clone();
        let relay = Relay::to(server.port, most, move || flies.fly()).await;
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &server.certificate).unwrap();
        let mut config = config(relay.port);
        config.notifier.smtp.tls = wanted;
        config.notifier.smtp.ca_file = (wanted != Wanted::None).then_some(ca_file);
        Self {
            server,
            relay,
            clock,
            config,
            _folder: folder,
        }
    }

    async fn send(&self) -> End {
        send(&self.config, &self.server, &self.clock).await
    }

    async fn send_over(&self, at: Break) -> End {
        self.relay.break_next(at);
        self.send().await
    }
}

/// How many bytes have gone up and down when the dialogue has come so far.
#[derive(Debug)]
struct Dialogue {
    session: [usize; 2],
    asked_for_the_body: [usize; 2],
    answered: [usize; 2],
}

impl Dialogue {
    fn of([up, down]: &[Vec<u8>; 2]) -> Self {
        let before = |text: &[u8], what: &[u8]| {
            let mut windows = text.windows(what.len());
            windows.position(|window| window == what).unwrap()
        };
        let after = |text: &[u8], what: &[u8]| before(text, what) + what.len();
        Self {
            session: [before(up, b"MAIL FROM"), before(down, b"250-2.1.0")],
            asked_for_the_body: [after(up, b"DATA\r\n"), after(down, b"line of its own\r\n")],
            answered: [up.len(), down.len()],
        }
    }

    /// How the mail ends, and after how many tries.
    fn expected(&self, at: Break) -> (MailOutcome, u32) {
        let came = |so_far: [usize; 2]| match (at.way, at.how) {
            // Cut behind a command, its answer is cut off.
            (Way::Up, How::Cut) => at.after > so_far[0],
            (Way::Up, How::Stall) => at.after >= so_far[0],
            (Way::Down, _) => at.after >= so_far[1],
        };
        if came(self.answered) {
            (Accepted, 1)
        } else if came(self.asked_for_the_body) {
            (Unknown, 1)
        } else if came(self.session) {
            (Accepted, 2)
        } else {
            // Without a session nothing was tried.
            (Accepted, 1)
        }
    }
}

/// Breaks the wire wherever `here` says. Answers how often the fate was unknown of a mail that the
/// server has, and of one that it does not have.
async fn breaks(here: impl Fn(Way, usize, &Dialogue) -> bool) -> [usize; 2] {
    let rig = Rig::new(Tls::None, Wanted::None, 64 * 1024).await;
    let end = rig.send().await;
    assert_eq!((end.told.outcome, end.taken.len()), (Accepted, 1));
    let passed = rig.relay.passed();
    let dialogue = Dialogue::of(&passed);
    let mut unknown = [0, 0];
    for way in [Way::Up, Way::Down] {
        for after in 0..=passed[way as usize].len() {
            if !here(way, after, &dialogue) {
                continue;
            }
            for how in [How::Cut, How::Stall] {
                let at = Break { way, after, how };
                let end = rig.send_over(at).await;
                let seen = (end.told.outcome, end.told.tries);
                assert_eq!(seen, dialogue.expected(at), "{at:?}: {end:?}");
                assert!(end.bodies <= 1, "{at:?}: {end:?}");
                match (end.told.outcome, end.taken.len()) {
                    (Accepted, 1) => {}
                    (Unknown, 1) => unknown[0] += 1,
                    (Unknown, 0) => unknown[1] += 1,
                    _ => panic!("{at:?}: {end:?}"),
                }
            }
        }
    }
    unknown
}

/// Every byte of commands and answers, and of the body its ends; between them, one in so many.
const ONE_IN: usize = 61;
const ENDS: usize = 40;

#[tokio::test]
async fn wherever_the_wire_breaks_the_mail_is_sent_once_or_its_fate_is_unknown() {
    let unknown = breaks(|way, after, dialogue| {
        let (begins, ends) = (dialogue.asked_for_the_body[0], dialogue.answered[0]);
        way == Way::Down
            || after < begins + ENDS
            || after + ENDS > ends
            || after.is_multiple_of(ONE_IN)
    })
    .await;
    assert!(unknown.iter().all(|mails| *mails > 10), "{unknown:?}");
}

#[tokio::test]
#[ignore = "every byte of the body as well, ten thousand mails: make soak"]
async fn wherever_the_wire_breaks_in_the_whole_body_its_fate_is_unknown() {
    breaks(|way, after, dialogue| way == Way::Up && after >= dialogue.asked_for_the_body[0]).await;
}

#[tokio::test]
async fn what_comes_byte_by_byte_is_read_like_what_comes_at_once() {
    let rig = Rig::new(Tls::None, Wanted::None, 1).await;
    let end = rig.send().await;
    assert_eq!((end.told.outcome, end.told.tries), (Accepted, 1), "{end:?}");
    assert_eq!(
        end.told.answer.as_deref(),
        Some("250 2.0.0 queued 2.0.0 as 1")
    );
    assert_eq!(
        end.told.receivers[0].answer,
        "250 2.1.5 ok 2.1.5 goes there"
    );
    assert_eq!(end.taken.len(), 1);
}

#[tokio::test]
async fn the_same_holds_under_tls() {
    const ONE_IN: usize = 97;
    for (tls, wanted) in [
        (Tls::Starttls, Wanted::Starttls),
        (Tls::Implicit, Wanted::Implicit),
    ] {
        let rig = Rig::new(tls, wanted, 64 * 1024).await;
        rig.send().await;
        let passed = rig.relay.passed();
        for way in [Way::Up, Way::Down] {
            // The last bytes are the good-bye, which TLS has and a mail does not need.
            for after in (0..=passed[way as usize].len()).step_by(ONE_IN) {
                for how in [How::Cut, How::Stall] {
                    let at = Break { way, after, how };
                    let end = rig.send_over(at).await;
                    assert!(end.bodies <= 1, "{at:?}: {end:?}");
                    match (end.told.outcome, end.taken.len()) {
                        (Accepted, 1) | (Unknown, 0 | 1) => {}
                        _ => panic!("{at:?}: {end:?}"),
                    }
                }
            }
        }
    }
}
