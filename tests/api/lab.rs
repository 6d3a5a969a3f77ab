//! The lab is there where it was asked for, and nowhere else.

use super::support::{Person, World};
use super::{HERE, assert_refused};

const NOBODY: &str = "";

fn lab() -> World {
    World::with(|config| config.lab = true)
}

#[test]
fn without_the_setting_there_is_no_lab_whatever_the_method() {
    let mut world = World::new();
    let anna = world.register("anna");
    for path in ["/lab", "/lab/", "/lab/lab.js", "/lab/none", "/api/lab/polls"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            assert_refused(&world.call(method, path, &anna.token, None), 404, "not_found");
        }
    }
    let nobody = Person { id: 0, token: String::new() };
    assert_eq!(world.get("/api/server", &nobody).body.get("lab"), None);
}

#[test]
fn with_it_the_pages_are_there_and_the_server_says_so() {
    for mut world in [lab(), World::with(|config| config.demo = true)] {
        let door = world.call("GET", "/lab", NOBODY, None);
        assert_eq!((door.status, door.field("Location")), (308, Some("lab/")));
        for path in ["/lab/", "/lab/lab.js", "/lab/lab.css"] {
            let page =
                world.exchange(HERE, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
            assert_eq!(page.status, 200, "{path}");
            assert!(page.field("Content-Security-Policy").is_some(), "{path}");
        }
        assert_refused(&world.call("GET", "/lab/none", NOBODY, None), 404, "not_found");
        assert_eq!(world.call("GET", "/api/server", NOBODY, None).body["lab"], true);
    }
}
