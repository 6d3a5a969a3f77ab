//! Accounts and sessions: who may be called what, and how long a login lasts.

use std::time::Duration;

use lovejoy::config::Registration;
use serde_json::{Value, json};

use super::support::{Answer, World};
use super::{assert_done, assert_good, assert_refused, assert_wrong, members};

const MINUTE: Duration = Duration::from_secs(60);
const ALMOST: Duration = Duration::from_secs(30 * 24 * 3600 - 60);
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_MS: i64 = 24 * 3_600_000;

fn register(world: &mut World, body: &Value) -> Answer {
    world.call("POST", "/api/users", "", Some(body))
}

fn log_in(world: &mut World, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    world.call("POST", "/api/sessions", "", Some(&body))
}

fn open_world() -> World {
    World::with(|config| config.rate_limits = false)
}

#[test]
fn the_server_introduces_itself_to_everybody() {
    let mut world = World::new();
    let answer = world.call("GET", "/api/server", "", None);
    assert_good(&answer, 200, "limits name registration version");
    assert_eq!(answer.body["name"], "Lovejoy");
    assert_eq!(answer.body["registration"], "open");
    assert_eq!(answer.body["version"], env!("CARGO_PKG_VERSION"));
    let limits = &answer.body["limits"];
    for (name, value) in [
        ("message_bytes", 8_192),
        ("body_bytes", 65_536),
        ("wait_seconds", 60),
        ("group_members", 256),
    ] {
        assert_eq!(limits[name], value, "{name}");
    }
    let mut closed = World::with(|config| config.registration = Registration::Closed);
    let answer = closed.call("GET", "/api/server", "", None);
    assert_eq!(answer.body["registration"], "closed");
}

#[test]
fn the_server_is_well() {
    let mut world = World::new();
    let answer = world.call("GET", "/healthz", "", None);
    assert_eq!((answer.status, answer.body.as_str()), (200, Some("ok\n")));
    assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn registering_and_logging_in_begin_a_session() {
    let mut world = World::new();
    let registered = register(&mut world, &json!({ "name": "Anna", "password": "secret" }));
    let logged_in = log_in(&mut world, "anna", "secret");
    let expires_at = world.now().wall.0 + 30 * DAY_MS;
    for answer in [&registered, &logged_in] {
        assert_good(answer, 201, "expires_at token user");
        let expected = json!({ "id": 1, "name": "Anna", "display_name": "Anna" });
        assert_eq!(answer.body["user"], expected);
        assert_eq!(answer.body["expires_at"], expires_at);
        let token = answer.body["token"].as_str().expect("a token");
        assert!(token.len() >= 43, "256 bits");
        let me = world.call("GET", "/api/me", token, None);
        assert_good(&me, 200, "user");
        assert_eq!(me.body["user"], expected);
    }
    assert_ne!(registered.body["token"], logged_in.body["token"]);
}

#[test]
fn names_of_any_script_are_taken_and_found_in_any_form() {
    let mut world = open_world();
    for (name, stored, again) in [
        ("漠然", "漠然", "漠然"),
        ("हिन्दी", "हिन्दी", "हिन्दी"),
        ("Ame\u{301}lie", "Am\u{e9}lie", "AM\u{c9}LIE"),
        ("liger_zql", "liger_zql", "LIGER_ZQL"),
        ("ｆｕｌｌ", "ｆｕｌｌ", "Full"),
        ("ΣΊΣΥΦΟΣ", "ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("7-of.9", "7-of.9", "7-OF.9"),
    ] {
        let answer = register(&mut world, &json!({ "name": name, "password": "secret" }));
        assert_eq!(answer.status, 201, "{name}: {}", answer.body);
        assert_eq!(answer.body["user"]["name"], stored);
        assert_eq!(answer.body["user"]["display_name"], stored);
        for form in [name, stored, again] {
            let taken = register(&mut world, &json!({ "name": form, "password": "secret" }));
            assert_refused(&taken, 409, "name_taken");
            assert_eq!(taken.body["title"], "Conflict");
            let found = log_in(&mut world, form, "secret");
            assert_eq!(found.body["user"], answer.body["user"], "{form}");
        }
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let mut world = World::new();
    let long = "x".repeat(33);
    for name in ["", " ", " anna", "anna ", "_anna", "-", ".a", "a b", "a\tb", "a\0", "a@b", &long]
    {
        let answer = register(&mut world, &json!({ "name": name, "password": "secret" }));
        assert_wrong(&answer, "invalid_name", "name");
    }
    let longest = "漠".repeat(32);
    let answer = register(&mut world, &json!({ "name": longest, "password": "secret" }));
    assert_eq!(answer.status, 201);
}

#[test]
fn a_display_name_is_one_line_of_visible_text() {
    let mut world = open_world();
    let (longest, long) = ("é".repeat(64), "é".repeat(65));
    let good = [
        (json!("Anna Łukasz"), "Anna Łukasz"),
        (json!(" \u{3000}Anna\n"), "Anna"),
        (json!("👩\u{200d}👧"), "👩\u{200d}👧"),
        (json!(longest), &longest),
        (json!(null), "anna4"),
    ];
    for (number, (given, shown)) in good.into_iter().enumerate() {
        let name = format!("anna{number}");
        let body = json!({ "name": name, "password": "secret", "display_name": given });
        let answer = register(&mut world, &body);
        assert_eq!(answer.body["user"]["display_name"], *shown, "{}", answer.body);
    }
    for display_name in ["", "  ", "a\u{7}b", "a\nb", "a\u{202e}b", "a\u{2067}b", &long] {
        let body = json!({ "name": "ben", "password": "secret", "display_name": display_name });
        assert_wrong(&register(&mut world, &body), "invalid_field", "display_name");
    }
}

#[test]
fn a_password_has_5_to_256_code_points() {
    let mut world = open_world();
    for (number, (password, good)) in [
        ("1234".to_owned(), false),
        ("12345".to_owned(), true),
        ("漠然漠然".to_owned(), false),
        ("漠然漠然漠".to_owned(), true),
        ("     ".to_owned(), true),
        ("é".repeat(256), true),
        ("é".repeat(257), false),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("anna{number}");
        let answer = register(&mut world, &json!({ "name": name, "password": password }));
        if good {
            assert_eq!(answer.status, 201, "{password}");
            assert_eq!(log_in(&mut world, &name, &password).status, 201);
        } else {
            assert_wrong(&answer, "invalid_password", "password");
        }
    }
}

#[test]
fn a_closed_server_makes_no_accounts_but_lets_in_those_that_it_has() {
    let mut world = World::with(|config| {
        config.registration = Registration::Closed;
        config.demo = true;
    });
    let answer = register(&mut world, &json!({ "name": "anna", "password": "secret" }));
    assert_refused(&answer, 403, "registration_closed");
    let taken = register(&mut world, &json!({ "name": "漠然", "password": "secret" }));
    assert_refused(&taken, 403, "registration_closed");
    let wrong = register(&mut world, &json!({ "name": "", "password": "secret" }));
    assert_wrong(&wrong, "invalid_name", "name");
    assert_eq!(log_in(&mut world, "漠然", "12345").status, 201);
}

#[test]
fn whether_the_name_or_the_password_was_wrong_is_not_told() {
    let mut world = open_world();
    world.register("anna");
    let expected = log_in(&mut world, "anna", "wrong password");
    assert_refused(&expected, 401, "bad_credentials");
    let long = "x".repeat(300);
    for (name, password) in [
        ("nobody", "secret"),
        ("no name", "secret"),
        ("", ""),
        ("anna", ""),
        ("anna", "Secret"),
        ("anna", "secret "),
        ("anna", &long),
        (&long, "secret"),
    ] {
        let answer = log_in(&mut world, name, password);
        assert_eq!((&answer.head, &answer.body), (&expected.head, &expected.body), "{name}");
    }
}

#[test]
fn logging_out_ends_this_session_alone() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let other = world.log_in("anna");
    assert_done(&world.delete("/api/sessions/current", &anna));
    assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
    assert_refused(&world.delete("/api/sessions/current", &anna), 401, "unauthorized");
    assert_eq!(world.get("/api/me", &other).status, 200);
    world.restart();
    assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
    assert_eq!(world.get("/api/me", &other).status, 200);
}

#[test]
fn logging_out_answers_the_sessions_held_polls_and_no_others() {
    let mut world = World::new();
    let (anna, _, _) = world.friends();
    let other = world.log_in("anna");
    let polls = [world.poll(&anna, "", 25), world.poll(&anna, "", 25)];
    world.poll(&other, "", 25);
    assert!(world.settle().is_empty());
    world.ask("DELETE", "/api/sessions/current", &anna.token, None);
    let answers = world.settle();
    for poll in polls {
        let answer = answers.iter().find(|answer| answer.line == poll).expect("an answer");
        assert_refused(answer, 401, "unauthorized");
    }
    assert_eq!(world.chat().held(), 1);
}

#[test]
fn a_token_lives_30_days_from_its_last_use() {
    let mut world = World::new();
    let anna = world.register("anna");
    // A use shortly after the last one counts, too.
    for time in [MINUTE, ALMOST, ALMOST, 30 * MINUTE, ALMOST] {
        world.pass(time);
        assert_eq!(world.get("/api/me", &anna).status, 200, "used in time");
    }
    // The last use is known up to the hour, in favour of its user.
    world.pass(30 * DAY + 61 * MINUTE);
    assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
    assert_eq!(world.log_in("anna").id, anna.id);
}

#[test]
fn a_short_life_slides_with_use_as_a_long_one_does() {
    let mut world = World::with(|config| config.token_lifetime = MINUTE);
    let anna = world.register("anna");
    for _ in 0..10 {
        world.pass(MINUTE / 2);
        assert_eq!(world.get("/api/me", &anna).status, 200);
    }
    world.pass(MINUTE + MINUTE / 60);
    assert_refused(&world.get("/api/me", &anna), 401, "unauthorized");
}

#[test]
fn a_session_that_is_used_survives_restarts() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    for _ in 0..3 {
        world.pass(20 * DAY);
        assert_eq!(world.get("/api/me", &anna).status, 200);
        let ben = world.log_in("ben");
        super::said(&mut world, &ben, conversation, "something is written");
        world.restart();
    }
    assert_eq!(world.get("/api/me", &anna).status, 200);
    assert_eq!(world.get("/api/me", &ben).status, 401);
}

#[test]
fn past_the_bound_of_passwords_in_progress_the_next_has_to_wait() {
    let mut world = World::with(|config| config.hashing_max = 1);
    let body = json!({ "name": "anna", "password": "secret" });
    let first = world.ask("POST", "/api/users", "", Some(&body));
    let second = world.ask("POST", "/api/sessions", "", Some(&body));
    let answers = world.settle();
    let of = |line| answers.iter().find(|answer| answer.line == line).expect("an answer");
    assert_eq!(of(first).status, 201);
    assert_refused(of(second), 503, "unavailable");
}

#[test]
fn of_two_who_want_a_name_at_once_one_gets_it() {
    let mut world = World::new();
    let body = json!({ "name": "anna", "password": "secret" });
    world.ask("POST", "/api/users", "", Some(&body));
    world.ask("POST", "/api/users", "", Some(&body));
    let mut outcomes: Vec<_> =
        world.settle().iter().map(|answer| (answer.status, members(&answer.body))).collect();
    outcomes.sort_unstable();
    let expected = [(201, "expires_at token user"), (409, "code detail status title type")];
    assert_eq!(outcomes, expected.map(|(status, members)| (status, members.to_owned())));
}
