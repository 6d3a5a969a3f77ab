//! Knows every path of the web service, and which methods each has.

use super::Problem;
use crate::http::{Method, Request, Response};
use crate::logic::Limited;

/// What a path and a method together ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says it")]
pub enum Route {
    AcceptFriend,
    Acknowledge,
    AskFriend,
    Block,
    ChangePassword,
    Conversations,
    DeleteMe,
    EndSession,
    Events,
    FindUsers,
    Friends,
    Health,
    History,
    LogIn,
    LogOut,
    MarkRead,
    Me,
    Options,
    Page,
    Register,
    RemoveFriend,
    Send,
    Server,
    Sessions,
    State,
    Type,
    Unblock,
    UpdateMe,
}

/// A route, and the id in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is asked for.
    pub route: Route,
    /// The number in place of `{id}`; 0 in a path without.
    pub id: i64,
}

type Methods = &'static [(Method, Route)];

use Method::{Delete, Get, Patch, Post, Put};

const ROUTES: &[(&str, Methods)] = &[
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
    ("/api/conversations", &[(Get, Route::Conversations)]),
    ("/api/conversations/{id}/messages", &[(Get, Route::History), (Post, Route::Send)]),
    ("/api/conversations/{id}/read", &[(Put, Route::MarkRead)]),
    ("/api/conversations/{id}/typing", &[(Post, Route::Type)]),
    ("/api/state", &[(Get, Route::State)]),
    ("/api/events", &[(Get, Route::Events)]),
    ("/api/events/ack", &[(Post, Route::Acknowledge)]),
    ("/healthz", &[(Get, Route::Health)]),
];

/// What every page can be asked for.
const PAGE: Methods = &[(Get, Route::Page)];

/// Refuses what no page can be asked for.
pub fn check_page_method(method: Method) -> Result<(), Problem> {
    match method {
        Get | Method::Head | Method::Options => Ok(()),
        _ => Err(Problem::method_not_allowed(allow(PAGE))),
    }
}

/// What can be done with the target of OPTIONS, a path of the web service or the server as a whole
/// (RFC 9110, section 9.3.7).
pub fn options(request: &Request<'_>) -> Response {
    let allow = match find(&request.target.decoded_path()) {
        Some((_, methods)) => allow(methods),
        None => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned(),
    };
    Response::new(204).with("Allow", &allow)
}

/// Finds the route of a request. Whatever is not named here is a page, perhaps one that does not
/// exist.
pub fn route(request: &Request<'_>) -> Result<Match, Problem> {
    let path = request.target.decoded_path();
    let (id, methods) = match find(&path) {
        Some(found) => found,
        None if path.starts_with("/api/") || path == "/api" => return Err(Problem::not_found()),
        None if request.target.is_asterisk() => return Ok(Match { route: Route::Options, id: 0 }),
        // Which pages there are is not known here, nor so whether a method is wrong or the path.
        None => return Ok(Match { route: Route::Page, id: 0 }),
    };
    // HEAD is GET without the body (RFC 9110, section 9.3.2).
    let method = if request.method == Method::Head { Get } else { request.method };
    match methods.iter().find(|(allowed, _)| *allowed == method) {
        Some(&(_, route)) => Ok(Match { route, id }),
        None if method == Method::Options => Ok(Match { route: Route::Options, id }),
        None => Err(Problem::method_not_allowed(allow(methods))),
    }
}

impl Route {
    /// What is limited in its rate, if it is.
    pub fn limited(self) -> Option<Limited> {
        match self {
            Self::AskFriend => Some(Limited::FriendRequest),
            Self::Register => Some(Limited::Registration),
            Self::Send => Some(Limited::Message),
            Self::Type => Some(Limited::Typing),
            _ => None,
        }
    }

    /// Whether only somebody with a token may ask.
    pub fn needs_token(self) -> bool {
        match self {
            Self::Health
            | Self::LogIn
            | Self::Options
            | Self::Page
            | Self::Register
            | Self::Server => false,
            Self::AcceptFriend
            | Self::Acknowledge
            | Self::AskFriend
            | Self::Block
            | Self::ChangePassword
            | Self::Conversations
            | Self::DeleteMe
            | Self::EndSession
            | Self::Events
            | Self::FindUsers
            | Self::Friends
            | Self::History
            | Self::LogOut
            | Self::MarkRead
            | Self::Me
            | Self::RemoveFriend
            | Self::Send
            | Self::Sessions
            | Self::State
            | Self::Type
            | Self::Unblock
            | Self::UpdateMe => true,
        }
    }
}

/// The id in a path of the web service, and the methods that it has.
fn find(path: &str) -> Option<(i64, Methods)> {
    ROUTES.iter().find_map(|&(pattern, methods)| Some((matches(pattern, path)?, methods)))
}

/// The id in the path (0 where the pattern has none), if the path is of this pattern. What stands
/// in place of `{id}` must be an integer, written plainly.
fn matches(pattern: &str, path: &str) -> Option<i64> {
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some(0);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    let digits = id.strip_prefix('-').unwrap_or(id);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { id.parse().ok() } else { None }
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
        assert_eq!(matches(pattern, "/api/friends/12/accept"), Some(12));
        assert_eq!(matches(pattern, "/api/friends/-3/accept"), Some(-3));
        for path in ["//accept", "/+1/accept", "/1.0/accept", "/1/x/accept", "/1/acceptx"] {
            assert_eq!(matches(pattern, &format!("/api/friends{path}")), None, "{path}");
        }
        assert_eq!(matches(pattern, "/api/friends/99999999999999999999/accept"), None);
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
