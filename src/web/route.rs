//! Knows every path of the web service, and which methods each has.

use super::Problem;
use super::control::{CONTROL_ROUTES, OrderRoute};
use super::lab::{LAB_ROUTES, LabRoute};
use crate::http::{Method, Request, Response};
use crate::logic::Limited;

/// What a path and a method together ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says it")]
pub enum Route {
    AcceptFriend,
    Acknowledge,
    AddMember,
    AskFriend,
    Block,
    ChangePassword,
    Conversations,
    CreateGroup,
    DeleteMe,
    DeleteMessage,
    EditMessage,
    EndSession,
    Events,
    FindUsers,
    Friends,
    Health,
    History,
    Lab(LabRoute),
    LogIn,
    LogOut,
    MarkRead,
    Me,
    Metrics,
    Options,
    Order(OrderRoute),
    Page,
    Probe,
    Record,
    Recording,
    Register,
    RemoveFriend,
    RemoveMember,
    RenameGroup,
    Search,
    Send,
    Server,
    Sessions,
    State,
    StopRecording,
    Type,
    Unblock,
    UpdateMe,
}

/// A route, and the ids in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is asked for.
    pub route: Route,
    /// The first number in the path; 0 in a path without.
    pub id: i64,
    /// The second one.
    pub second_id: i64,
}

pub(super) type Methods = &'static [(Method, Route)];

use Method::{Delete, Get, Patch, Post, Put};

/// They are tried in this order: the most frequent come first.
const ROUTES: &[(&str, Methods)] = &[
    ("/api/events", &[(Get, Route::Events)]),
    ("/api/conversations/{id}/messages", &[(Get, Route::History), (Post, Route::Send)]),
    ("/api/server", &[(Get, Route::Server)]),
    ("/api/users", &[(Get, Route::FindUsers), (Post, Route::Register)]),
    ("/api/sessions", &[(Get, Route::Sessions), (Post, Route::LogIn)]),
    ("/api/sessions/current", &[(Delete, Route::LogOut)]),
    ("/api/sessions/{id}", &[(Delete, Route::EndSession)]),
    ("/api/me", &[(Get, Route::Me), (Patch, Route::UpdateMe)]),
    ("/api/me/password", &[(Put, Route::ChangePassword)]),
    ("/api/me/delete", &[(Post, Route::DeleteMe)]),
    ("/api/friends", &[(Get, Route::Friends), (Post, Route::AskFriend)]),
    ("/api/friends/{id}", &[(Delete, Route::RemoveFriend)]),
    ("/api/friends/{id}/accept", &[(Post, Route::AcceptFriend)]),
    ("/api/blocks/{id}", &[(Put, Route::Block), (Delete, Route::Unblock)]),
    ("/api/conversations", &[(Get, Route::Conversations), (Post, Route::CreateGroup)]),
    ("/api/conversations/{id}", &[(Patch, Route::RenameGroup)]),
    ("/api/conversations/{id}/members", &[(Post, Route::AddMember)]),
    ("/api/conversations/{id}/members/{user_id}", &[(Delete, Route::RemoveMember)]),
    ("/api/conversations/{id}/read", &[(Put, Route::MarkRead)]),
    ("/api/conversations/{id}/typing", &[(Post, Route::Type)]),
    ("/api/messages/{id}", &[(Patch, Route::EditMessage), (Delete, Route::DeleteMessage)]),
    ("/api/search", &[(Get, Route::Search)]),
    ("/api/state", &[(Get, Route::State)]),
    ("/api/events/ack", &[(Post, Route::Acknowledge)]),
    ("/healthz", &[(Get, Route::Health)]),
    ("/metrics", &[(Get, Route::Metrics)]),
];

/// What the operator's doctor asks for, by a number of its own.
const PROBE_ROUTES: &[(&str, Methods)] = &[("/api/probe/{id}", &[(Get, Route::Probe)])];

/// What every page can be asked for.
const PAGE: Methods = &[(Get, Route::Page)];

/// Every method of every path of the web service, except HEAD and OPTIONS, which follow from these.
/// Ids in a path stand in braces.
pub fn routes() -> impl Iterator<Item = (Method, &'static str)> {
    let of_path = |&(path, methods): &(&'static str, Methods)| {
        methods.iter().map(move |&(method, _)| (method, path))
    };
    ROUTES.iter().flat_map(of_path)
}

/// Refuses methods that no page has.
pub fn check_page_method(method: Method) -> Result<(), Problem> {
    match method {
        Get | Method::Head | Method::Options => Ok(()),
        _ => Err(Problem::method_not_allowed(allow(PAGE))),
    }
}

/// Which paths there are besides those that are always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Those of the operator.
    pub operator: bool,
    /// The lab's.
    pub lab: bool,
    /// The doctor's.
    pub probe: bool,
}

/// What can be done with the target of OPTIONS, a path of the web service or the server as a whole
/// (RFC 9110, section 9.3.7).
pub fn options(request: &Request<'_>, reach: Reach) -> Response {
    let allow = match find(&request.target.decoded_path(), reach) {
        Some((_, methods)) => allow(methods),
        None => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned(),
    };
    Response::new(204).cache_control("no-store").with("Allow", &allow)
}

/// Finds the route of a request. Any path not named here is that of a page, perhaps of one that
/// does not exist.
pub fn route(request: &Request<'_>, reach: Reach) -> Result<Match, Problem> {
    let path = request.target.decoded_path();
    let ([id, second_id], methods) = match find(&path, reach) {
        Some(found) => found,
        // The lab's pages are part of the program, but not of this server.
        None if !reach.lab && path.starts_with("/lab/") => return Err(Problem::not_found()),
        None if path.starts_with("/api/") || path == "/api" => return Err(Problem::not_found()),
        None if request.target.is_asterisk() => return Ok(nowhere(Route::Options)),
        // Which pages there are is not known here, and so neither is whether the method is wrong or
        // the path.
        None => return Ok(nowhere(Route::Page)),
    };
    // HEAD is GET without the body (RFC 9110, section 9.3.2).
    let method = if request.method == Method::Head { Get } else { request.method };
    match methods.iter().find(|(allowed, _)| *allowed == method) {
        Some(&(_, route)) => Ok(Match { route, id, second_id }),
        None if method == Method::Options => Ok(nowhere(Route::Options)),
        None => Err(Problem::method_not_allowed(allow(methods))),
    }
}

/// What has no id in its path.
fn nowhere(route: Route) -> Match {
    Match { route, id: 0, second_id: 0 }
}

impl Route {
    /// What of it is limited in rate, if anything.
    pub fn limited(self) -> Option<Limited> {
        match self {
            Self::AskFriend => Some(Limited::FriendRequest),
            Self::Register => Some(Limited::Registration),
            // Whatever all members are told of counts as a message. Taking one back is always
            // allowed.
            Self::AddMember
            | Self::CreateGroup
            | Self::EditMessage
            | Self::RemoveMember
            | Self::RenameGroup
            | Self::Send => Some(Limited::Message),
            Self::Type => Some(Limited::Typing),
            _ => None,
        }
    }

    /// Whether it is about what a session records of itself in the lab.
    pub fn is_recording(self) -> bool {
        matches!(self, Self::Record | Self::Recording | Self::StopRecording)
    }

    /// Whether its body holds a password.
    pub fn has_password(self) -> bool {
        matches!(self, Self::ChangePassword | Self::DeleteMe)
    }

    /// Whether only somebody with a token may ask.
    pub fn needs_token(self) -> bool {
        match self {
            Self::Health
            | Self::Lab(LabRoute::Door)
            | Self::Metrics
            | Self::LogIn
            | Self::Options
            | Self::Order(_)
            | Self::Page
            | Self::Probe
            | Self::Register
            | Self::Server => false,
            Self::AcceptFriend
            | Self::Acknowledge
            | Self::AddMember
            | Self::AskFriend
            | Self::Block
            | Self::ChangePassword
            | Self::Conversations
            | Self::CreateGroup
            | Self::DeleteMe
            | Self::DeleteMessage
            | Self::EditMessage
            | Self::EndSession
            | Self::Events
            | Self::FindUsers
            | Self::Friends
            | Self::History
            | Self::Lab(_)
            | Self::LogOut
            | Self::MarkRead
            | Self::Me
            | Self::Record
            | Self::Recording
            | Self::RemoveFriend
            | Self::RemoveMember
            | Self::RenameGroup
            | Self::Search
            | Self::Send
            | Self::Sessions
            | Self::State
            | Self::StopRecording
            | Self::Type
            | Self::Unblock
            | Self::UpdateMe => true,
        }
    }
}

/// The ids in a path of the web service, and the methods that it has.
fn find(path: &str, reach: Reach) -> Option<([i64; 2], Methods)> {
    let control = if reach.operator { CONTROL_ROUTES } else { &[] };
    let lab = if reach.lab { LAB_ROUTES } else { &[] };
    let probe = if reach.probe { PROBE_ROUTES } else { &[] };
    for routes in [ROUTES, control, lab, probe] {
        for &(pattern, methods) in routes {
            if let Some(ids) = matches(pattern, path) {
                return Some((ids, methods));
            }
        }
    }
    None
}

/// The ids in the path (0 where the pattern has none), if the path is of this pattern.
fn matches(pattern: &str, path: &str) -> Option<[i64; 2]> {
    let (mut ids, mut found) = ([0; 2], 0);
    let (mut pattern, mut path) = (pattern.as_bytes(), path.as_bytes());
    loop {
        match (pattern, path) {
            ([], []) => return Some(ids),
            ([b'{', ..], _) => {
                take_segment(&mut pattern);
                *ids.get_mut(found)? = plain_integer(take_segment(&mut path))?;
                found += 1;
            }
            // Almost all patterns fail within a few bytes, at little cost.
            ([expected, after @ ..], [byte, rest @ ..]) if expected == byte => {
                (pattern, path) = (after, rest);
            }
            _ => return None,
        }
    }
}

/// Takes everything before the next slash from the front.
fn take_segment<'a>(path: &mut &'a [u8]) -> &'a [u8] {
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    let (segment, rest) = path.split_at(end);
    *path = rest;
    segment
}

/// What stands in place of an id must be an integer, written plainly.
fn plain_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if plain { str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// The methods of a path, for the `Allow` field.
fn allow(methods: Methods) -> String {
    let mut names = Vec::new();
    for (method, _) in methods {
        names.push(method.as_str());
        if *method == Get {
            names.push(Method::Head.as_str());
        }
    }
    names.push(Method::Options.as_str());
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_integer() {
        let pattern = "/api/friends/{id}/accept";
        assert_eq!(matches(pattern, "/api/friends/12/accept"), Some([12, 0]));
        assert_eq!(matches(pattern, "/api/friends/-3/accept"), Some([-3, 0]));
        for path in ["//accept", "/+1/accept", "/1.0/accept", "/1/x/accept", "/1/acceptx"] {
            assert_eq!(matches(pattern, &format!("/api/friends{path}")), None, "{path}");
        }
        assert_eq!(matches(pattern, "/api/friends/99999999999999999999/accept"), None);
        assert_eq!(matches("/a/{id}/b/{user_id}", "/a/1/b/-2"), Some([1, -2]));
        assert_eq!(matches("/a/{id}/b/{user_id}", "/a/1/b"), None);
        assert_eq!(matches("/a/{id}", "/a/1/b"), None);
    }

    #[test]
    fn head_is_allowed_where_get_is_and_options_everywhere() {
        assert_eq!(
            allow(&[(Get, Route::Friends), (Post, Route::AskFriend)]),
            "GET, HEAD, POST, OPTIONS"
        );
        assert_eq!(allow(&[(Put, Route::MarkRead)]), "PUT, OPTIONS");
    }
}
