//! Who may see and do what: everybody, times everything that can be asked.
//!
//! The table below is the whole of it. Each cell is asked in a world in which nothing has changed, and
//! answered with the status and code that stand there. A route without a row fails, so nothing new
//! goes unnoticed.

use std::collections::BTreeSet;

use lovejoy::config::Durability;
use lovejoy::web;
use serde_json::{Value, json};

use super::support::{Answer, Person, World};
use super::{assert_done, said};

/// Olga owns a group that Max is in and Fred has left, after both of them said something there. She
/// is a friend of all but Sam, and was one of Bob until she blocked him. Nobody has no token.
///
/// `=` is what stands to the left; 401 is `unauthorized`, and 404 `not_found` where nothing else is
/// said. `{group}`, `{direct}` (hers with the friend), `{message}` (hers, in the group), `{private}`
/// (hers, in the direct one), `{said}` (Max's), `{left}` (Fred's), `{no}` (nobody's), and the names of the
/// people stand for ids.
const TABLE: &str = r#"
request                                                                | owner           | member        | former        | friend          | blocked       | stranger      | nobody

GET /api/server                                                        | 200             | =             | =             | =               | =             | =             | =
GET /metrics                                                           | 200             | =             | =             | =               | =             | =             | =
GET /healthz                                                           | 200             | =             | =             | =               | =             | =             | =
POST /api/users {"name":"new","password":"secret"}                     | 201             | =             | =             | =               | =             | =             | =
POST /api/sessions {"name":"max","password":"secret"}                  | 201             | =             | =             | =               | =             | =             | =
POST /api/sessions {"name":"max","password":"wrong"}                   | 401 bad_credentials | =         | =             | =               | =             | =             | =

GET /api/sessions                                                      | 200             | =             | =             | =               | =             | =             | 401
DELETE /api/sessions/current                                           | 204             | =             | =             | =               | =             | =             | 401
DELETE /api/sessions/{session}                                         | 204             | 404           | =             | =               | =             | =             | 401
GET /api/me                                                            | 200             | =             | =             | =               | =             | =             | 401
PATCH /api/me {"display_name":"x"}                                     | 200             | =             | =             | =               | =             | =             | 401
PUT /api/me/password {"current":"secret","new":"other"}                | 204             | =             | =             | =               | =             | =             | 401
POST /api/me/delete {"password":"secret"}                              | 204             | =             | =             | =               | =             | =             | 401
GET /api/users?q=olga                                                  | 200             | =             | =             | =               | =             | =             | 401
GET /api/search?q=olga                                                 | 200             | =             | =             | =               | =             | =             | 401

POST /api/users {"name":"olga","password":"secret"}                    | 409 name_taken  | =             | =             | =               | =             | =             | =
PUT /api/me/password {"current":"wrong","new":"other"}                 | 403 wrong_password | =          | =             | =               | =             | =             | 401
POST /api/me/delete {"password":"wrong"}                               | 403 wrong_password | =          | =             | =               | =             | =             | 401

GET /api/friends                                                       | 200             | =             | =             | =               | =             | =             | 401
POST /api/friends {"name":"olga"}                                      | 422 invalid_field | 409 already_friends | = | =               | 201           | =             | 401
POST /api/friends {"name":"nobody"}                                    | 404 no_such_user | =            | =             | =               | =             | =             | 401
POST /api/friends {"name":"bob"}                                       | 409 blocked     | 201           | =             | =               | 422 invalid_field | 201       | 401
POST /api/friends/{olga}/accept                                        | 404 no_such_request | 200       | =             | =               | 404 no_such_request | =       | 401
DELETE /api/friends/{olga}                                             | 404             | 204           | =             | =               | 404           | =             | 401
PUT /api/blocks/{olga}                                                 | 422 invalid_parameter | 204     | =             | =               | =             | =             | 401
DELETE /api/blocks/{bob}                                               | 204             | =             | =             | =               | 422 invalid_parameter | 204   | 401

PUT /api/blocks/{no}                                                   | 404             | =             | =             | =               | =             | =             | 401
DELETE /api/blocks/{no}                                                | 404             | =             | =             | =               | =             | =             | 401

GET /api/state                                                         | 200             | =             | =             | =               | =             | =             | 401
GET /api/events?wait=0                                                 | 200             | =             | =             | =               | =             | =             | 401
GET /api/events?wait=0&cursor={cursor}                                 | 200             | 400 bad_cursor | =            | =               | =             | =             | 401
POST /api/events/ack {"cursor":"{cursor}"}                             | 204             | 400 bad_cursor | =            | =               | =             | =             | 401

GET /api/conversations                                                 | 200             | =             | =             | =               | =             | =             | 401
POST /api/conversations {"title":"x","member_ids":[]}                  | 201             | =             | =             | =               | =             | =             | 401
POST /api/conversations {"title":"x","member_ids":[{olga}]}            | 201             | =             | =             | =               | 403 not_friends | =           | 401

GET /api/conversations/{group}/messages                                | 200             | =             | 404           | =               | =             | =             | 401
POST /api/conversations/{group}/messages {"body":"x"}                  | 201             | =             | 404           | =               | =             | =             | 401
PUT /api/conversations/{group}/read {"message_id":{message}}           | 204             | =             | 404           | =               | =             | =             | 401
POST /api/conversations/{group}/typing                                 | 204             | =             | 404           | =               | =             | =             | 401
PATCH /api/conversations/{group} {"title":"x"}                         | 200             | 403 not_owner | 404           | =               | =             | =             | 401
POST /api/conversations/{group}/members {"user_id":{fiona}}            | 201             | 403 not_owner | 404           | =               | =             | =             | 401
POST /api/conversations/{group}/members {"user_id":{sam}}              | 403 not_friends | 403 not_owner | 404           | =               | =             | =             | 401
POST /api/conversations/{group}/members {"user_id":{max}}              | 409 already_member | 403 not_owner | 404        | =               | =             | =             | 401
DELETE /api/conversations/{group}/members/{max}                        | 204             | =             | 404           | =               | =             | =             | 401
DELETE /api/conversations/{group}/members/{olga}                       | 204             | 403 not_owner | 404           | =               | =             | =             | 401
DELETE /api/conversations/{group}/members/{fred}                       | 404             | 403 not_owner | 404           | =               | =             | =             | 401

GET /api/conversations/{direct}/messages                               | 200             | 404           | =             | 200             | 404           | =             | 401
POST /api/conversations/{direct}/messages {"body":"x"}                 | 201             | 404           | =             | 201             | 404           | =             | 401
PUT /api/conversations/{direct}/read {"message_id":{private}}          | 204             | 404           | =             | 204             | 404           | =             | 401
POST /api/conversations/{direct}/typing                                | 204             | 404           | =             | 204             | 404           | =             | 401
PATCH /api/conversations/{direct} {"title":"x"}                        | 409 not_a_group | 404           | =             | 409 not_a_group | 404           | =             | 401
POST /api/conversations/{direct}/members {"user_id":{max}}             | 409 not_a_group | 404           | =             | 409 not_a_group | 404           | =             | 401
DELETE /api/conversations/{direct}/members/{fiona}                     | 409 not_a_group | 404           | =             | 409 not_a_group | 404           | =             | 401

GET /api/conversations/{parted}/messages                               | 200             | 404           | =             | =               | 200           | 404           | 401
POST /api/conversations/{parted}/messages {"body":"x"}                 | 403 not_friends | 404           | =             | =               | 403 not_friends | 404         | 401
POST /api/conversations/{parted}/typing                                | 403 not_friends | 404           | =             | =               | 403 not_friends | 404         | 401

PATCH /api/messages/{message} {"body":"x"}                             | 200             | 403 not_sender | 404          | =               | =             | =             | 401
DELETE /api/messages/{message}                                         | 200             | 403 not_sender | 404          | =               | =             | =             | 401
PATCH /api/messages/{said} {"body":"x"}                                | 403 not_sender  | 200           | 404           | =               | =             | =             | 401
DELETE /api/messages/{said}                                            | 403 not_sender  | 200           | 404           | =               | =             | =             | 401
PATCH /api/messages/{left} {"body":"x"}                                | 403 not_sender  | =             | 404           | =               | =             | =             | 401
DELETE /api/messages/{left}                                            | 403 not_sender  | =             | 404           | =               | =             | =             | 401
PATCH /api/messages/{private} {"body":"x"}                             | 200             | 404           | =             | 403 not_sender  | 404           | =             | 401
DELETE /api/messages/{private}                                         | 200             | 404           | =             | 403 not_sender  | 404           | =             | 401
"#;

/// One request, and what each person is answered.
struct Row {
    method: String,
    path: String,
    body: Option<String>,
    outcomes: Vec<(u16, String)>,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().skip(2).filter(|line| !line.is_empty());
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let mut cells = line.split(" | ").map(str::trim);
    let request = cells.next().expect("a request");
    let mut parts = request.splitn(3, ' ').map(str::to_owned);
    let mut outcomes: Vec<(u16, String)> = Vec::new();
    for cell in cells {
        outcomes.push(if cell == "=" {
            outcomes.last().expect("=").clone()
        } else {
            outcome(cell)
        });
    }
    assert_eq!(outcomes.len(), 7, "{line}");
    Row {
        method: parts.next().expect("a method"),
        path: parts.next().expect("a path"),
        body: parts.next(),
        outcomes,
    }
}

fn outcome(cell: &str) -> (u16, String) {
    let (status, code) = cell.split_once(' ').unwrap_or((cell, ""));
    let code = match (status, code) {
        ("401", "") => "unauthorized",
        ("404", "") => "not_found",
        (_, code) => code,
    };
    (status.parse().expect("a status"), code.to_owned())
}

/// The world of the table: everybody in the order of the columns, and what the names in braces stand
/// for.
fn scene() -> (World, Vec<Person>, Vec<(&'static str, Value)>) {
    let mut world = World::with(|config| {
        config.durability = Durability::Normal;
        config.rate_limits = false;
    });
    let names = ["olga", "max", "fred", "fiona", "bob", "sam"];
    let people = names.map(|name| world.register(name));
    let [olga, max, fred, fiona, bob, _] = &people;
    for other in [max, fred] {
        world.befriend(olga, other);
    }
    let (direct, parted) = (world.befriend(olga, fiona), world.befriend(olga, bob));
    let group = world.group(olga, "group", &[max, fred]);
    let left = said(&mut world, fred, group, "left behind");
    let member = format!("/api/conversations/{group}/members/{}", fred.id);
    assert_done(&world.delete(&member, olga));
    assert_done(&world.call("PUT", &format!("/api/blocks/{}", bob.id), &olga.token, None));
    let message = said(&mut world, olga, group, "to the group");
    let said_by_max = said(&mut world, max, group, "to the group, too");
    let private = said(&mut world, olga, direct, "between two");
    let session = world.get("/api/sessions", olga).body["sessions"][0]["id"].clone();
    let cursor = world.cursor(olga);
    let mut ids: Vec<(&str, Value)> = Vec::new();
    ids.extend(names.into_iter().zip(people.iter().map(|person| json!(person.id))));
    ids.extend(
        [("group", group), ("direct", direct), ("parted", parted)].map(|(n, id)| (n, json!(id))),
    );
    ids.extend([("message", message), ("said", said_by_max)].map(|(n, id)| (n, json!(id))));
    ids.extend([("left", left), ("private", private)].map(|(n, id)| (n, json!(id))));
    ids.extend([("no", json!(0)), ("session", session), ("cursor", json!(cursor))]);
    let mut everybody = people.to_vec();
    everybody.push(Person { id: 0, token: String::new() });
    (world, everybody, ids)
}

fn filled(template: &str, ids: &[(&str, Value)]) -> String {
    let fill = |text: String, (name, id): &(&str, Value)| {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        text.replace(&format!("{{{name}}}"), &id)
    };
    ids.iter().fold(template.to_owned(), fill)
}

/// Asks for every cell of the table; `see` is shown each request, its body, and the answer.
pub(super) fn walk(mut see: impl FnMut(&str, &str, Option<&Value>, &Answer)) {
    let mut wrong = Vec::new();
    let mut unchanged = None;
    for Row { method, path, body, outcomes } in rows() {
        for (person, expected) in outcomes.into_iter().enumerate() {
            let (mut world, people, ids) = unchanged.take().unwrap_or_else(scene);
            let body = body
                .as_ref()
                .map(|body| serde_json::from_str(&filled(body, &ids)).expect("a body in JSON"));
            let token = &people[person].token;
            let path = filled(&path, &ids);
            let answer = world.call(&method, &path, token, body.as_ref());
            see(&method, &path, body.as_ref(), &answer);
            let got = (answer.status, answer.code().to_owned());
            if got != expected {
                wrong.push(format!("{method} {path}, column {person}: {got:?}, not {expected:?}"));
            }
            // A refusal changes nothing.
            if method == "GET" || answer.status >= 400 {
                unchanged = Some((world, people, ids));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everybody_gets_from_every_request_what_is_theirs() {
    walk(|_, _, _, _| {});
}

#[test]
fn every_route_has_a_row() {
    let shape = |path: &str| -> String {
        let path = path.split('?').next().unwrap_or(path);
        let part = |part: &str| if part.starts_with('{') { "{}".into() } else { part.to_owned() };
        path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    let rows: BTreeSet<_> =
        rows().iter().map(|row| (row.method.clone(), shape(&row.path))).collect();
    let routes: BTreeSet<_> =
        web::routes().map(|(method, path)| (method.as_str().to_owned(), shape(path))).collect();
    assert_eq!(rows, routes);
}
