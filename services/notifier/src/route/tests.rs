use proto::User;

use super::*;
use crate::fixtures::{failed, moved_event, rejected, said};

fn routes(toml: &str) -> Result<Routes, String> {
    let toml = format!("delay = \"10m\"\nto = [\"all@example.com\"]\n{toml}");
    Routes::new(&toml_of(&toml))
}

fn toml_of(text: &str) -> config::Config {
    toml::from_str(text).unwrap()
}

fn choose(routes: &Routes, event: &Event) -> (Option<String>, Vec<String>, u64) {
    let choice = routes.choose(event, outcome(event).unwrap());
    (
        choice.route.map(str::to_owned),
        choice.to.iter().map(|to| to.email.to_string()).collect(),
        choice.delay.as_secs(),
    )
}

fn rejected_event(key: &str) -> Event {
    said(User::Mover, Data::Moved(rejected(key)))
}

fn failed_event(key: &str) -> Event {
    said(User::Mover, Data::Failed(failed(key, User::Mover)))
}

fn told(route: Option<&str>, to: &str, delay: u64) -> (Option<String>, Vec<String>, u64) {
    let to = if to.is_empty() {
        vec![]
    } else {
        vec![to.to_owned()]
    };
    (route.map(str::to_owned), to, delay)
}

#[test]
fn without_routes_all_hear_of_everything_and_of_bad_news_at_once() {
    let routes = routes("").unwrap();
    assert_eq!(
        choose(&routes, &moved_event("a.csv")),
        told(None, "all@example.com", 600)
    );
    assert_eq!(
        choose(&routes, &rejected_event("a.csv")),
        told(None, "all@example.com", 0)
    );
    assert_eq!(
        choose(&routes, &failed_event("a.csv")),
        told(None, "all@example.com", 0)
    );
}

#[test]
fn failures_go_to_the_operators_whatever_the_routes_of_files_say() {
    let routes = routes(
        "operators = [\"ops@example.com\"]\n\
         [[routes]]\nname = \"team\"\nkey = \"**\"\nto = [\"team@example.com\"]",
    )
    .unwrap();
    assert_eq!(
        choose(&routes, &failed_event("a.csv")),
        told(None, "ops@example.com", 0)
    );
    assert_eq!(
        choose(&routes, &moved_event("a.csv")),
        told(Some("team"), "team@example.com", 600)
    );
}

#[test]
fn a_route_that_names_failures_takes_them() {
    let routes = routes(
        "operators = [\"ops@example.com\"]\n\
         [[routes]]\nname = \"night\"\noutcome = \"failed\"\nto = [\"night@example.com\"]\ndelay = \"5m\"",
    )
    .unwrap();
    assert_eq!(
        choose(&routes, &failed_event("a.csv")),
        told(Some("night"), "night@example.com", 300)
    );
    assert_eq!(
        choose(&routes, &moved_event("a.csv")),
        told(None, "all@example.com", 600)
    );
}

#[test]
fn the_first_route_whose_conditions_all_hold_decides() {
    let routes = routes(
        "[[routes]]\nname = \"other bucket\"\nbucket = \"elsewhere\"\nto = [\"x@example.com\"]\n\
         [[routes]]\nname = \"other profile\"\nprofile = \"wide\"\nto = [\"x@example.com\"]\n\
         [[routes]]\nname = \"one level\"\nkey = \"incoming/*\"\nbucket = \"land*\"\nprofile = \"default\"\nto = [\"one@example.com\"]\n\
         [[routes]]\nname = \"deep\"\nkey = \"incoming/**\"\nto = [\"deep@example.com\"]\ndelay = \"1h\"\n\
         [[routes]]\nname = \"quiet\"\nkey = \"silent/**\"\nto = []",
    )
    .unwrap();
    assert_eq!(
        choose(&routes, &moved_event("incoming/a.csv")),
        told(Some("one level"), "one@example.com", 600)
    );
    assert_eq!(
        choose(&routes, &moved_event("incoming/x/a.csv")),
        told(Some("deep"), "deep@example.com", 3600)
    );
    assert_eq!(
        choose(&routes, &moved_event("silent/a.csv")),
        told(Some("quiet"), "", 600)
    );
    assert_eq!(
        choose(&routes, &moved_event("a.csv")),
        told(None, "all@example.com", 600)
    );
}

#[test]
fn a_delay_holds_for_bad_news_only_where_the_route_names_it() {
    let routes = routes(
        "[[routes]]\nname = \"a\"\nkey = \"a/**\"\nto = [\"a@example.com\"]\ndelay = \"1h\"\n\
         [[routes]]\nname = \"b\"\nkey = \"b/**\"\noutcome = \"rejected\"\nto = [\"b@example.com\"]\ndelay = \"1h\"",
    )
    .unwrap();
    assert_eq!(
        choose(&routes, &rejected_event("a/x.csv")),
        told(Some("a"), "a@example.com", 0)
    );
    assert_eq!(
        choose(&routes, &rejected_event("b/x.csv")),
        told(Some("b"), "b@example.com", 3600)
    );
    assert_eq!(
        choose(&routes, &moved_event("b/x.csv")),
        told(None, "all@example.com", 600)
    );
}

#[test]
fn whoever_is_named_twice_is_told_once() {
    let routes =
        routes("[[routes]]\nname = \"a\"\nto = [\"A <a@example.com>\", \"a@example.com\"]")
            .unwrap();
    assert_eq!(
        choose(&routes, &moved_event("a.csv")),
        told(Some("a"), "a@example.com", 600)
    );
}

#[test]
fn what_is_wrong_is_said_with_the_settings_name() {
    let wrong = |toml: &str| routes(toml).unwrap_err();
    assert_eq!(
        wrong("[[routes]]\nname = \"a\"\nto = [\"nobody\"]"),
        "`notifier.routes[0].to`: \"nobody\" is no mail address (a name with a comma or brackets needs quotes); write one like \"Ops <ops@example.com>\""
    );
    assert_eq!(
        wrong("operators = [\"x@example.com\\r\\nBcc: y@example.com\"]"),
        "`notifier.operators`: \"x@example.com\\r\\nBcc: y@example.com\" holds a control character; \
         write one like \"Ops <ops@example.com>\""
    );
    assert!(wrong("operators = [\"ö@example.com\"]").contains("beyond ASCII"));
    let many: Vec<String> = (0..101).map(|n| format!("\"u{n}@example.com\"")).collect();
    assert!(wrong(&format!("operators = [{}]", many.join(","))).contains("101 receivers"));
}
