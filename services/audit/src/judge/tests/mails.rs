//! Mails.

use super::*;

#[test]
fn a_mail_that_is_missing_or_there_twice() {
    assert_one(Rule::Mail, GOOD, "is not in the mailbox", |facts| {
        mails(facts).remove(0);
    });
    assert_one(Rule::Mail, STUCK, "is not in the mailbox", |facts| {
        mails(facts).remove(3);
    });
    assert_one(Rule::Mail, GOOD, "2 mails have the Message-ID", |facts| {
        mails(facts).push(mail(GOOD, "5.eml"));
    });
    assert_one(Rule::Mail, GOOD, "2 mails are about it", |facts| {
        let mut other = mail(GOOD, "5.eml");
        other.id.push('x');
        mails(facts).push(other);
    });
}

#[test]
fn a_mail_that_was_not_to_be_there() {
    let ended = |facts: &mut Facts, outcome: Mailed| {
        ended_event(facts).event.said = Said::Notified { outcome };
        way(facts, GOOD).mail = Some(MailRow::Ended(outcome));
    };
    assert_one(Rule::Mail, GOOD, "was refused", |facts| {
        ended(facts, Mailed::Refused);
    });
    assert_one(Rule::Mail, GOOD, "nobody was to be told", |facts| {
        ended(facts, Mailed::Nobody);
    });
    assert_eq!(
        broken(|facts| ended(facts, Mailed::Unknown)),
        [],
        "one is as good as none"
    );
    assert_one(Rule::Mail, OLD, "that nobody ordered", |facts| {
        mails(facts).push(mail(OLD, "5.eml"));
    });
    assert_one(Rule::Mail, STRANGE, "a file that nobody knows", |facts| {
        mails(facts).push(mail(STRANGE, "5.eml"));
    });
}
