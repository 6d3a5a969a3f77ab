//! Looking for users by the beginning of a name.

use serde_json::{Value, json};

use super::support::{Person, World};
use super::{assert_good, assert_wrong, members};

fn register(world: &mut World, name: &str, display_name: &str) {
    let body = json!({ "name": name, "password": "secret", "display_name": display_name });
    let answer = world.call("POST", "/api/users", "", Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.body);
}

fn found(world: &mut World, person: &Person, query: &str) -> Vec<String> {
    let answer = world.get(&format!("/api/users?{query}"), person);
    assert_good(&answer, 200, "users");
    let users = answer.body["users"].as_array().expect("a list");
    users.iter().map(|user| user["name"].as_str().expect("a name").to_owned()).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

#[test]
fn users_are_found_by_the_beginning_of_either_name_in_any_form() {
    let mut world = World::with(|config| config.rate_limits = false);
    let anna = world.register("anna");
    register(&mut world, "ben", "Annabella");
    register(&mut world, "Annika", "Somebody else");
    register(&mut world, "漠然", "Zoë Ångström");
    for (text, names) in [
        ("ann", &["Annika", "ben"][..]),
        ("ANN", &["Annika", "ben"]),
        ("ａｎｎ", &["Annika", "ben"]),
        (" annab", &["ben"]),
        ("somebody ", &["Annika"]),
        ("else", &[]),
        ("漠", &["漠然"]),
        ("ZOE\u{308}", &["漠然"]),
        ("zoë å", &["漠然"]),
        ("nik", &[]),
        ("%", &[]),
        ("_", &[]),
        ("\0", &[]),
        ("\u{10ffff}", &[]),
    ] {
        assert_eq!(found(&mut world, &anna, &format!("q={}", escaped(text))), names, "{text:?}");
    }
    for query in ["", "q=", "q", "q=%20%20", "limit=5", "other=ann"] {
        assert_eq!(found(&mut world, &anna, query), [""; 0], "{query}");
    }
}

#[test]
fn what_is_found_is_what_anybody_may_see() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let answer = world.get("/api/users?q=be", &anna);
    let user = &answer.body["users"][0];
    assert_eq!(*user, json!({ "id": ben.id, "name": "ben", "display_name": "ben" }));
    assert_eq!(members(user), "display_name id name", "no presence, not even of a friend");
}

#[test]
fn a_new_display_name_is_found_and_the_old_one_is_not() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    world.call("PATCH", "/api/me", &ben.token, Some(&json!({ "display_name": "Kāvya" })));
    assert_eq!(found(&mut world, &anna, &format!("q={}", escaped("kā"))), ["ben"]);
    assert_eq!(found(&mut world, &anna, "q=b"), ["ben"], "the name stays");
    world.call("PATCH", "/api/me", &ben.token, Some(&json!({ "display_name": "B" })));
    assert_eq!(found(&mut world, &anna, &format!("q={}", escaped("kā"))), [""; 0]);
}

#[test]
fn at_most_so_many_are_found_as_are_asked_for_names_before_display_names() {
    let mut world = World::with(|config| config.rate_limits = false);
    let anna = world.register("anna");
    for number in 10..70 {
        register(&mut world, &format!("a{number}"), &format!("x{number}"));
        register(&mut world, &format!("x{number}"), "somebody");
    }
    for (query, count) in [
        ("", 20),
        ("&limit=", 20),
        ("&limit=50", 50),
        ("&limit=1000", 50),
        ("&limit=99999999999999999999", 50),
        ("&limit=3", 3),
        ("&limit=0", 1),
        ("&limit=-7", 1),
    ] {
        let names = found(&mut world, &anna, &format!("q=x{query}"));
        let expected: Vec<String> = (10..10 + count).map(|number| format!("x{number}")).collect();
        assert_eq!(names, expected, "{query}");
    }
    let names = found(&mut world, &anna, "q=x1&limit=15");
    let ten = |letter: &str| (10..20).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    assert_eq!(names, [ten("x"), ten("a")[..5].to_vec()].concat());
    for value in ["x", "1.0", "%20"] {
        let answer = world.get(&format!("/api/users?q=x&limit={value}"), &anna);
        assert_wrong(&answer, "invalid_parameter", "limit");
    }
    assert_eq!(world.get("/api/users?q=x", &anna).body["users"].as_array().map(Vec::len), Some(20));
    let nobody = world.call("GET", "/api/users?q=x", "", None);
    assert_eq!((nobody.status, &nobody.body["code"]), (401, &Value::from("unauthorized")));
}
