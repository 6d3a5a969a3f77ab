//! Lets the operator's doctor see its own requests as they arrive; see [`crate::web::tell_probe`].
//! Does not know what the doctor makes of them.

use std::time::Duration;

use super::Chat;
use crate::http::{Request, Response, client_address};
use crate::server::Client;
use crate::system::{Mono, Now};
use crate::web::{self, Problem};

/// What the doctor last asked for.
#[derive(Debug)]
pub(super) struct Probe {
    /// Whoever knows it is the doctor.
    number: i64,
    /// How often it was asked for.
    count: u32,
    until: Mono,
}

/// For how long: the doctor asks at once, or is gone.
const LASTS: Duration = Duration::from_secs(120);

impl Chat {
    /// The operator has chosen a number. The previous one no longer counts.
    pub(super) fn begin_probe(
        &mut self,
        now: Now,
        request: &Request<'_>,
    ) -> Result<Response, Problem> {
        let number = web::read_probe(request, &self.config)?;
        self.probe = Some(Probe { number, count: 0, until: now.mono.plus(LASTS) });
        Ok(web::health())
    }

    /// Answers whoever knows it; for all others there is nothing.
    pub(super) fn examine(
        &mut self,
        now: Now,
        client: Client,
        number: i64,
        request: &Request<'_>,
    ) -> Result<Response, Problem> {
        let probe = self.probe.as_mut().filter(|it| it.number == number && now.mono < it.until);
        let probe = probe.ok_or_else(Problem::not_found)?;
        probe.count += 1;
        let trusted = &self.config.trusted_proxy;
        let is_trusted = trusted.iter().any(|network| network.contains(client.peer));
        let address = client_address(client.peer, request, trusted);
        Ok(web::tell_probe(request, (client.peer, is_trusted), address, probe.count))
    }
}
